// The last script of a page: unpack the numbers, and show them with the viewer of their kind.

function unpack(id, Kind) {
  const text = element(id).textContent;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

function startPage() {
  const canvas = element("canvas");
  const page = JSON.parse(element("page").textContent);
  element("fold").addEventListener("click", toggleCard);
  if (innerWidth <= 640) toggleCard();
  canvas.addEventListener("webglcontextlost", () =>
    ui.fail("The graphics card gave up on this page: load it again."),
  );
  addEventListener("error", (event) => ui.fail(event.message)); // later ones too, while it draws
  try {
    fitCanvas(canvas);
    const floats = unpack("floats", Float32Array);
    // A sound draws its curve by other means, and evaluates its field out of sight.
    const device = new Device(page.viewer === "sound" ? document.createElement("canvas") : canvas);
    // For the console: wsapps.at(...) is the field, wsapps.frame.finish() draws everything at once.
    globalThis.wsapps = { page, device, ...VIEWERS[page.viewer](device, page, floats) };
  } catch (error) {
    ui.fail(error.message);
    throw error;
  }
}

startPage();
