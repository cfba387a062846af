"""`cameras`: renders the simulated world as two RealSense cameras would see it."""

from sensor_msgs.msg import CameraInfo, Image

from ..sim.config import CamerasConfig
from ..sim.layout import sample_layout
from ..sim.render import CameraRenderer, intrinsics
from ..sim.scene import CAMERAS, IMAGE_SIZE, compile_model
from ..sim.shared_world import SharedWorld, path_of
from ..sim.table import Table
from . import qos
from .convert_arrays import camera_info_to_msg, depth_to_msg, image_to_msg
from .shell import CellNode, run

_START_S = 25.0


class CamerasNode(CellNode):
    """Publishes colour, aligned depth and CameraInfo under realsense2_camera's names."""

    CONFIG = CamerasConfig

    def configure(self, config: CamerasConfig) -> None:
        """Compile the scene, open the GL context, find the running simulator."""
        model = compile_model()
        self._renderer = CameraRenderer(model, IMAGE_SIZE)
        self._table = Table(model)
        self._world = SharedWorld.attach(path_of(config.robot_ip), _START_S)
        self._K = {name: intrinsics(model, name, IMAGE_SIZE) for name in CAMERAS}
        self._outputs = {name: self._outputs_of(f"camera/{name}") for name in CAMERAS}
        for index, name in enumerate(CAMERAS):
            self.every(1.0 / config.rate_hz, lambda name=name: self._shoot(name))

    def _outputs_of(self, prefix: str) -> list:
        streams = ("color", "aligned_depth_to_color")
        pairs = [
            (kind, f"{prefix}/{s}/{leaf}")
            for s in streams
            for kind, leaf in ((Image, "image_raw"), (CameraInfo, "camera_info"))
        ]
        return [self.output(kind, topic, qos.SENSOR) for kind, topic in pairs]

    def close(self) -> None:
        """Free the GL context."""
        if hasattr(self, "_renderer"):
            self._renderer.close()

    def _shoot(self, name: str) -> None:
        now = self._world.read()
        if self._table.layout is None or self._table.layout.number != now.seed:
            self._table.dress(sample_layout(now.seed))
        self._renderer.pose(now.qpos)
        rgb, depth_m = self._renderer.render(name)
        frame_id = f"{name}_color_optical_frame"
        info = camera_info_to_msg(self._K[name], *IMAGE_SIZE, now.stamp_ns, frame_id)
        color, color_info, depth, depth_info = self._outputs[name]
        color.publish(image_to_msg(rgb, now.stamp_ns, frame_id))
        color_info.publish(info)
        depth.publish(depth_to_msg(depth_m, now.stamp_ns, frame_id))
        depth_info.publish(info)


def main(args=None) -> None:
    """Run the node."""
    run(CamerasNode, args)
