"""The kinds of signals that ``signal=`` chooses from."""

from wsapps_signals.audio import AudioSignal
from wsapps_signals.image import ImageSignal
from wsapps_signals.occupancy import OccupancySignal
from wsapps_signals.sphere import SphereSignal
from wsapps_signals.video import VideoSignal

SIGNALS = {
    "image": ImageSignal,
    "audio": AudioSignal,
    "occupancy": OccupancySignal,
    "sphere": SphereSignal,
    "video": VideoSignal,
}
