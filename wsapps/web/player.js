// Pieces of sound, handed to Web Audio one after the other as they become ready.
const AHEAD = 0.75; // seconds that are handed over before they are heard

class Player {
  constructor(sound, onstop) {
    Object.assign(this, { sound, onstop, time: 0, playing: false });
  }

  // Seconds from the beginning that are heard now.
  get now() {
    if (!this.playing) return this.time;
    return Math.min(
      this.sound.seconds,
      Math.max(this.time, this.time + this.context.currentTime - this.origin),
    );
  }

  play(time = this.time) {
    this.context ??= new AudioContext();
    this.context.resume();
    this.silence();
    this.time = time >= this.sound.seconds - 0.01 ? 0 : time;
    this.playing = true;
    this.next = this.time; // seconds of the sound that have been handed over
    this.origin = this.context.currentTime + 0.05; // when `time` is heard
    this.sources = [];
    this.timer = setInterval(() => this.feed(), 60);
    this.feed();
  }

  pause() {
    if (!this.playing) return;
    const now = this.now;
    this.silence();
    this.time = now >= this.sound.seconds ? 0 : now;
    this.onstop();
  }

  silence() {
    clearInterval(this.timer);
    this.sources?.forEach((source) => source.stop());
    this.sources = [];
    this.playing = false;
  }

  feed() {
    const { sound, context } = this;
    if (this.now >= sound.seconds) return this.pause();
    while (this.next < sound.seconds && this.next - this.now < AHEAD) {
      const start = Math.round(this.next * sound.rate);
      const piece = Math.min(sound.ready.length - 1, Math.floor(start / sound.perPiece));
      sound.from = piece;
      if (!sound.ready[piece]) return this.wait();
      const stop = Math.min(sound.count, (piece + 1) * sound.perPiece);
      if (stop <= start) {
        this.next = sound.seconds;
        break;
      }
      this.hand(start, stop, Math.max(context.currentTime, this.origin + this.next - this.time));
      this.next = stop / sound.rate;
    }
  }

  // The field is computed more slowly than it is played: what follows is heard later.
  wait() {
    const late = this.context.currentTime - (this.origin + this.next - this.time);
    if (late > 0) this.origin += late;
  }

  hand(start, stop, when) {
    const { sound, context } = this;
    const buffer = context.createBuffer(sound.channels.length, stop - start, sound.rate);
    const gain = Math.min(1, sound.signal.amplitude);
    sound.channels.forEach((samples, c) => {
      buffer.getChannelData(c).set(samples.subarray(start, stop).map((value) => gain * value));
    });
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    source.start(when);
    this.sources.push(source);
  }
}
