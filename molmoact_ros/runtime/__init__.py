"""How the network is run: one Runtime contract, the backends behind it, one decode loop, the output grammar."""
