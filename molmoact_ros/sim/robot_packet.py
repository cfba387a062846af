"""The robot state as libfranka's wire format: one packed record, written field by field and sent as it lies.

Field order: franky_sim.franka_robot_state.FrankaRobotState.pack_state, which packs the same bytes from Python objects
in fifty times the time.
"""

import numpy as np

_FLOATS = (
    ("O_T_EE", 16),
    ("O_T_EE_d", 16),
    ("F_T_EE", 16),
    ("EE_T_K", 16),
    ("F_T_NE", 16),
    ("NE_T_EE", 16),
    ("m_ee", 1),
    ("I_ee", 9),
    ("F_x_Cee", 3),
    ("m_load", 1),
    ("I_load", 9),
    ("F_x_Cload", 3),
    ("elbow", 2),
    ("elbow_d", 2),
    ("tau_J", 7),
    ("tau_J_d", 7),
    ("dtau_J", 7),
    ("q", 7),
    ("q_d", 7),
    ("dq", 7),
    ("dq_d", 7),
    ("ddq_d", 7),
    ("joint_contact", 7),
    ("cartesian_contact", 6),
    ("joint_collision", 7),
    ("cartesian_collision", 6),
    ("tau_ext_hat_filtered", 7),
    ("O_F_ext_hat_K", 6),
    ("K_F_ext_hat_K", 6),
    ("O_dP_EE_d", 6),
    ("O_ddP_O", 3),
    ("elbow_c", 2),
    ("delbow_c", 2),
    ("ddelbow_c", 2),
    ("O_T_EE_c", 16),
    ("O_dP_EE_c", 6),
    ("O_ddP_EE_c", 6),
    ("theta", 7),
    ("dtheta", 7),
    ("accelerometer_top", 18),
    ("accelerometer_bottom", 18),
)
_BYTES = (
    ("motion_generator_mode", 1),
    ("controller_mode", 1),
    ("errors", 41),
    ("reflex_reason", 41),
    ("robot_mode", 1),
)
RECORD = np.dtype(
    [(name, "<f4", (n,)) for name, n in _FLOATS]
    + [(name, "u1", (n,)) for name, n in _BYTES]
    + [("control_command_success_rate", "<f4", (1,))]
)


_SCALARS = ("m_ee", "m_load", "control_command_success_rate")


class RobotPacket:
    """One packet; every field is a writable array of that name."""

    def __init__(self):
        self._record = np.zeros((), RECORD)
        for name in RECORD.names:
            setattr(self, name, self._record[name])

    def fill(self, **fields) -> None:
        """Write fields by name, from sequences or numbers."""
        for name, value in fields.items():
            getattr(self, name)[:] = value

    def to_bytes(self) -> bytes:
        """Return the packet without the message number that goes in front."""
        return self._record.tobytes()

    def numbers(self) -> dict:
        """Return the numeric fields as tuples and floats; modes and error flags are left out."""
        fields = {name: tuple(getattr(self, name).tolist()) for name, _ in (*_FLOATS, (_SCALARS[-1], 1))}
        return {name: value[0] if name in _SCALARS else value for name, value in fields.items()}
