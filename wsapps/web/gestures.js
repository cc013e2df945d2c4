// Mouse, touch and keyboard, as a viewer understands them:
//   drag(dx, dy, how)     moved by so many CSS pixels; how.pan: with Shift, the right button, or two fingers
//   zoom(factor, x, y)    about a place on the canvas
//   hover(x, y), leave()
//   keys                  what keys do: {ArrowLeft: () => ..., ...}

const WHEEL = 0.0016; // log of the zoom factor for a pixel of a wheel

function listen(canvas, { drag, zoom, hover = () => {}, leave = () => {}, keys = {} }) {
  const fingers = new Map();
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const middle = () => {
    const places = [...fingers.values()];
    const mean = [0, 1].map((d) => places.reduce((sum, at) => sum + at[d], 0) / places.length);
    const spread =
      places.length > 1 ? Math.hypot(places[0][0] - places[1][0], places[0][1] - places[1][1]) : 0;
    return { mean, spread };
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    canvas.classList.add("dragging");
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    hover(...place(event));
    if (!fingers.has(event.pointerId)) return;
    const before = middle();
    fingers.set(event.pointerId, place(event));
    const after = middle();
    const pan = fingers.size > 1 || event.shiftKey || (event.buttons & 2) !== 0;
    drag(after.mean[0] - before.mean[0], after.mean[1] - before.mean[1], { pan });
    if (before.spread && after.spread) zoom(after.spread / before.spread, ...after.mean);
  });
  const release = (event) => {
    fingers.delete(event.pointerId);
    if (!fingers.size) canvas.classList.remove("dragging");
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const pixels = event.deltaY * [1, 16, 400][event.deltaMode]; // deltas may be lines or pages
      zoom(
        Math.exp(-WHEEL * Math.max(-400, Math.min(400, pixels)) * (event.ctrlKey ? 6 : 1)),
        ...place(event),
      );
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => zoom(2, ...place(event)));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "INPUT") return;
    // Enter and space press the button that has the focus.
    if (event.target.tagName === "BUTTON" && [" ", "Enter"].includes(event.key)) return;
    const action = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}
