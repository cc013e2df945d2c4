"""The kinds of signals that ``signal=`` chooses from."""

from wsapps_signals.kinds.audio import AudioSignal
from wsapps_signals.kinds.image import ImageSignal
from wsapps_signals.kinds.occupancy import OccupancySignal
from wsapps_signals.kinds.sphere import SphereSignal
from wsapps_signals.kinds.video import VideoSignal

SIGNALS = {
    "image": ImageSignal,
    "audio": AudioSignal,
    "occupancy": OccupancySignal,
    "sphere": SphereSignal,
    "video": VideoSignal,
}
