"""Random pixels of pictures of which memory holds only some at a time.

The pictures take turns in an order drawn once. Which of them are held is a function of the training step
alone, so that a resumed run sees the pixels that it would have seen.
"""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps.errors import UserError
from wsapps.seeding import generator
from wsapps_nerf.captures.pictures import Pictures, as_rgba

_log = logging.getLogger("wsapps")
_MARGIN = 64  # pixels drawn beyond those that are expected to do
_MOST_TRIES = 1 << 22  # pixels that a step may draw; where it would take more, those that are kept are listed
_SAY_EVERY = 5.0  # seconds
_SCRATCH = 12  # bytes a full-size pixel takes while a picture is decoded
_WORKERS = min(2, os.cpu_count() or 1)


def held_at_once(pictures: Pictures) -> int:
    """How many decoded pictures their budget of memory holds while others are decoded."""
    each, scratch = _memory(pictures)
    return min(len(pictures), max(0, pictures.memory - scratch) // each)


def _pixels(pictures: Pictures) -> Tensor:
    sizes = [pictures.size(view) for view in range(len(pictures))]
    return torch.tensor([width * height for width, height in sizes])


def _memory(pictures: Pictures) -> tuple[int, int]:
    """Bytes of a decoded picture, and for decoding others meanwhile."""
    full_size = max(width * height for width, height in (file.size for file in pictures.files))
    return int(_pixels(pictures).max()) * pictures.channels, _WORKERS * _SCRATCH * full_size


class PictureWindow:
    """Up to K decoded pictures, within the budget that :class:`Pictures` states, decoding included.

    Args:
        pictures: all of them.
        seed: of the order.

    Raises:
        UserError: the budget does not hold two pictures while others are decoded.
    """

    def __init__(self, pictures: Pictures, seed: int):
        self.pictures = pictures
        self.pixels = _pixels(pictures)
        each, scratch = _memory(pictures)
        self.slots = held_at_once(pictures)
        if self.slots < min(2, len(pictures)):
            raise UserError(
                f"data.memory_gib={pictures.memory / 2**30:.3g} does not hold two pictures of "
                f"{each / 2**20:.1f} MiB and {scratch / 2**20:.1f} MiB to decode others; raise it, or "
                f"data.downscale"
            )
        self.order = list(range(len(pictures)))
        if self.slots < len(pictures):
            self.order = torch.randperm(len(pictures), generator=generator(seed, "pictures")).tolist()
        self._buffer = torch.zeros(
            self.slots, int(self.pixels.max()), pictures.channels, dtype=torch.uint8, device=pictures.device
        )
        self._kept = [0] * self.slots  # pixels of each slot's picture that its mask keeps
        # Which of the endless sequence of turns each slot holds, and of which view that is.
        self._items: list[int | None] = [None] * self.slots
        self._views = torch.zeros(self.slots, dtype=torch.int64)
        self._next: tuple[int, Future[NDArray[np.uint8]]] | None = None
        self._pool = ThreadPoolExecutor(_WORKERS)

    @property
    def bytes_held(self) -> int:
        """Of decoded pictures, without what decoding takes."""
        return self._buffer.numel()

    def draw(self, count: int, step: int, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Random pixels that no mask leaves out, of the pictures that are held at a step.

        Args:
            count: R.
            step: training step.
            draws: a generator on the CPU.

        Returns:
            Views ``(R,)``, row-major pixels ``(R,)``, and RGBA ``(R, 4)`` in [0, 1].

        Raises:
            UserError: the masks leave nothing.
        """
        self._hold(step)
        slot, pixel = self._kept_pixels(count, draws) if self.pictures.masked else self._random(count, draws)
        rgba = as_rgba(self._buffer[slot, pixel, : 4 if self.pictures.alpha else 3])
        return self._views.to(slot.device)[slot], pixel, rgba

    def _kept_pixels(self, count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """As :meth:`_random`, of the pixels that masks keep: as many are drawn as should hold that many."""
        kept, pixels = sum(self._kept), int(self.pixels[self._views].sum())
        if kept == 0:
            raise UserError(
                f"the masks leave nothing of {len(self._views)} pictures to train on; in a mask, black is "
                f"what is left out"
            )
        if count * pixels // kept > _MOST_TRIES:
            return self._listed_pixels(count, draws)
        found: list[tuple[Tensor, Tensor]] = []
        missing = count
        while missing > 0:
            tries = missing * pixels // kept + _MARGIN
            slot, pixel = self._random(tries, draws)
            good = (self._buffer[slot, pixel, -1] > 0).nonzero()[:missing, 0]
            found.append((slot[good], pixel[good]))
            missing -= len(good)
        slots, pixels_of = zip(*found, strict=True)
        return torch.cat(slots), torch.cat(pixels_of)

    def _listed_pixels(self, count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """The same where masks keep next to nothing: from lists of what they keep."""
        kept = torch.tensor(self._kept)
        last = kept.cumsum(0)
        drawn = torch.randint(int(last[-1]), (count,), generator=draws)
        slot = torch.searchsorted(last, drawn, right=True)
        place, pixel = drawn - (last - kept)[slot], torch.empty_like(drawn)
        for each in slot.unique().tolist():
            own = self._buffer[each, : int(self.pixels[self._views[each]]), -1]
            pixel[slot == each] = (own > 0).nonzero()[:, 0].cpu()[place[slot == each]]
        return slot.to(self._buffer.device), pixel.to(self._buffer.device)

    def _random(self, count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Slots and pixels ``(count,)``, all pixels that are held alike."""
        pixels = self.pixels[self._views]
        last = pixels.cumsum(0)
        drawn = torch.randint(int(last[-1]), (count,), generator=draws)
        slot = torch.searchsorted(last, drawn, right=True)
        pixel = drawn - (last - pixels)[slot]
        return slot.to(self._buffer.device), pixel.to(self._buffer.device)

    def _hold(self, step: int) -> None:
        """Bring the window to where it is at a step."""
        if self.slots == len(self.order):
            wanted = range(self.slots)
        else:
            first = step // self.pictures.rotate_every
            wanted = range(first, first + self.slots)
        missing = [item for item in wanted if self._items[item % self.slots] != item]
        if not missing:
            return
        if self._next is not None and self._next[0] in missing:
            item, future = self._next
            self._enter(item, future.result())
            missing.remove(item)
        self._next = None
        if len(missing) > 1:
            _log.info("decoding %d of %d pictures", len(missing), len(self.order))
        # The threads fill their slots themselves: waiting results would take memory.
        entering = self._pool.map(lambda item: self._enter(item, self._decode(item)), missing)
        said = time.monotonic()
        for done, _ in enumerate(entering, start=1):
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                _log.info("decoded %d of %d pictures", done, len(missing))
        self._views = torch.tensor([self._view_of(item) for item in self._items if item is not None])
        if self.slots < len(self.order):
            self._next = (wanted[-1] + 1, self._pool.submit(self._decode, wanted[-1] + 1))

    def _decode(self, item: int) -> NDArray[np.uint8]:
        return self.pictures.pixels(self._view_of(item))

    def _view_of(self, item: int) -> int:
        return self.order[item % len(self.order)]

    def _enter(self, item: int, pixels: NDArray[np.uint8]) -> None:
        flat = torch.from_numpy(pixels).flatten(end_dim=-2)
        self._buffer[item % self.slots, : len(flat)] = flat.to(self._buffer.device)
        self._kept[item % self.slots] = int((flat[:, -1] > 0).sum()) if self.pictures.masked else len(flat)
        self._items[item % self.slots] = item
