// What is shown live, frame by frame: a dot that follows the pointer, or what a camera sees.

import { greyDrawn } from "./own_pictures.js";
import { StimulusFault } from "./stimulus_faults.js";

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A dot of a size and luminance that `look()` tells, at the pointer. */
export class Dot {
  constructor(screen, look) {
    this.screen = screen;
    this.look = look;
    this.at = null;
  }

  write(frame) {
    const { shapePx: [rows, columns], degPerPx, background } = this.screen;
    const { sizeDeg, luminance } = this.look();
    frame.fill(background);
    if (!this.at) return;
    const radius = sizeDeg / 2 / degPerPx;
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const inside = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x + 0.5 - this.at[0], y + 0.5 - this.at[1])));
        frame[y * columns + x] += inside * (luminance - background);
      }
    }
  }

  /** Go where a pointer is over the picture. */
  follow({ clientX, clientY }, box) {
    const [rows, columns] = this.screen.shapePx;
    this.at = [((clientX - box.left) / box.width) * columns, ((clientY - box.top) / box.height) * rows];
  }

  /** Go two pixels by an arrow key; false for any other key. */
  step(key) {
    if (!MOVES[key]) return false;
    const [rows, columns] = this.screen.shapePx;
    this.at = (this.at ?? [columns / 2, rows / 2]).map((each, axis) => each + 2 * MOVES[key][axis]);
    return true;
  }

  hide() {
    this.at = null;
  }

  close() {}
}

/** What a camera sees, grey, fitted into the picture; it leaves this page for nowhere. */
export class Camera {
  /** Ask for a camera; throws a sentence where there is none. */
  static async opened(screen) {
    const { mediaDevices } = navigator;
    if (!mediaDevices?.getUserMedia) throw new StimulusFault("This browser gives no camera to a page that was opened from the disk. Try Chromium, Chrome, Edge or Firefox.");
    try {
      const stream = await mediaDevices.getUserMedia({ video: { width: { ideal: 320 } }, audio: false });
      const video = document.createElement("video");
      Object.assign(video, { muted: true, playsInline: true, srcObject: stream });
      await video.play();
      return new Camera(screen, stream, video);
    } catch (error) {
      throw new StimulusFault(error.name === "NotAllowedError" ? "The camera was refused: allow it in the browser and choose it again." : `There is no camera that this page can use (${error.name}).`);
    }
  }

  constructor(screen, stream, video) {
    this.screen = screen;
    this.stream = stream;
    this.video = video;
    this.canvas = document.createElement("canvas");
  }

  write(frame) {
    const { shapePx, background } = this.screen;
    frame.set(greyDrawn(this.canvas, this.video, [this.video.videoWidth, this.video.videoHeight], shapePx, background));
  }

  follow() {}
  step() {
    return false;
  }
  hide() {}

  close() {
    for (const track of this.stream.getTracks()) track.stop();
  }
}
