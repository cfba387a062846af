"""Lines in space as RViz markers."""

from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

# name -> colour (r, g, b, a), line width [m], whether points are shown as balls
STYLES = {
    "trace": ((1.0, 0.85, 0.0, 0.9), 0.006, True),
    "chunk": ((0.2, 0.9, 0.3, 0.9), 0.005, True),
    "executed": ((0.0, 0.9, 0.9, 0.8), 0.003, False),
}
BALL_M = 0.016


def marker_array(lines: dict, header: Header, frame_id: str) -> MarkerArray:
    """Draw named lines ((N, 3) positions [m] in `frame_id`) in their styles; a line without points is removed."""
    array = MarkerArray()
    stamped = Header(stamp=header.stamp, frame_id=frame_id)
    for name, positions in lines.items():
        colour, width, balls = STYLES[name]
        points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in positions]
        array.markers.append(_marker(stamped, name, 0, Marker.LINE_STRIP, colour, width, points, len(points) > 1))
        if balls:
            array.markers.append(_marker(stamped, name, 1, Marker.SPHERE_LIST, colour, BALL_M, points, bool(points)))
    return array


def _marker(header, name, number, kind, colour, size, points, shown) -> Marker:
    action = Marker.ADD if shown else Marker.DELETE
    marker = Marker(header=header, ns=name, id=number, type=kind, action=action, points=points if shown else [])
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = size
    marker.color = ColorRGBA(**dict(zip("rgba", colour)))
    return marker
