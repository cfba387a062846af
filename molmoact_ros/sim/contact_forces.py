"""What the simulated arm feels: forces from MuJoCo's contacts, as the robot's own estimate would show them."""

import mujoco
import numpy as np

from .scene import ARM


class ContactForces:
    """External wrench at the tip and the joint torques it causes, from contacts between the arm and anything else."""

    def __init__(self, model, data):
        self._model, self._data = model, data
        names = [model.body(model.geom_bodyid[g]).name for g in range(model.ngeom)]
        self._of_arm = np.array([n.startswith(ARM) for n in names])
        self._hand = model.body(f"{ARM}hand").id
        self._force, self._jacobian = np.zeros(6), np.zeros((6, model.nv))

    def at(self, tip, dofs) -> tuple[np.ndarray, np.ndarray]:
        """Return wrench (6,) [N, Nm] on the arm at `tip` (3,) in base axes, and torques [Nm] of `dofs`."""
        wrench = np.zeros(6)
        pairs = self._of_arm[self._data.contact.geom]
        for i in np.flatnonzero(pairs[:, 0] != pairs[:, 1]):
            contact = self._data.contact[i]
            mujoco.mj_contactForce(self._model, self._data, i, self._force)
            # The contact frame's first row is the normal from geom1 to geom2; the force acts on geom2.
            force = contact.frame.reshape(3, 3).T @ self._force[:3] * (1 if pairs[i, 1] else -1)
            wrench[:3] += force
            wrench[3:] += np.cross(contact.pos - tip, force)
        if not wrench.any():
            return wrench, np.zeros(len(dofs))
        mujoco.mj_jac(self._model, self._data, self._jacobian[:3], self._jacobian[3:], tip, self._hand)
        return wrench, self._jacobian[:, dofs].T @ wrench
