// Work for the GPU in slices of a moment, so that no page stands still, however slow the GPU is.
//
// Work is a generator that yields how many points of the field it has asked the GPU for. A slice ends when
// its points are spent; the next begins when the GPU has done them, with more or fewer by how long it took.

const MOMENT = 24; // ms of GPU time that a slice should take
const [FEWEST, MOST] = [256, 2 ** 22]; // points a slice

class Slices {
  constructor(device, afterSlice) {
    Object.assign(this, { device, afterSlice, work: null, fence: null, waiting: false });
    this.budget = 1024; // points a slice
  }

  get busy() {
    return this.work !== null || this.fence !== null;
  }

  start(work) {
    this.work = work;
    this.schedule();
  }

  // All that is left, now.
  finish() {
    if (this.work) for (const _ of this.work);
    this.work = null;
    this.afterSlice();
  }

  schedule() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.tick();
    });
  }

  tick() {
    const { gl } = this.device;
    if (this.fence) {
      if (gl.clientWaitSync(this.fence, 0, 0) === gl.TIMEOUT_EXPIRED) return this.schedule();
      gl.deleteSync(this.fence);
      this.fence = null;
      this.adapt(performance.now() - this.began);
    }
    if (!this.work) return;
    this.spent = 0;
    this.began = performance.now();
    while (this.spent < this.budget && performance.now() - this.began < 2 * MOMENT) {
      const { value, done } = this.work.next();
      if (done) {
        this.work = null;
        break;
      }
      this.spent += value;
    }
    this.afterSlice();
    this.fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    this.schedule();
  }

  adapt(elapsed) {
    if (this.spent < this.budget / 2 && elapsed < MOMENT) return; // too little to learn from
    this.budget *= Math.min(2, Math.max(0.25, MOMENT / elapsed));
    this.budget = Math.min(MOST, Math.max(FEWEST, this.budget));
  }
}
