// The page around the canvas: its words, buttons and read-out.

const element = (id) => document.getElementById(id);

// Viewers by name: a function (device, page, floats) that starts one. Each script of a viewer adds its own.
const VIEWERS = {};

const ICONS = {
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  whole: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  screen: "M4 5h16v14H4zM4 15h6v4",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  turn: "M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5",
};

const ui = {
  readout: (text) => (element("readout").textContent = text),
  scale: (text) => (element("scale").textContent = text),
  progress(size, part) {
    const bar = element("progress");
    bar.hidden = size === 1 && part === 1;
    // Each level takes about four times as long as the one before.
    bar.style.setProperty("--part", (1 / (size * size)) * (0.25 + 0.75 * part));
  },
  fail(message) {
    element("failure").textContent = message;
    element("failure").hidden = false;
    element("progress").hidden = true;
  },
  button(label, title, action) {
    const button = document.createElement("button");
    button.type = "button";
    ui.label(button, label);
    button.title = title;
    button.setAttribute("aria-label", title);
    button.addEventListener("click", () => action(button));
    element("buttons").append(button);
    return button;
  },
  // The name of an icon, or words.
  label(button, label) {
    if (label in ICONS) {
      button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[label]}"/></svg>`;
    } else {
      button.textContent = label;
      button.classList.add("words");
    }
  },
  slider(title, low, high, value, action) {
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: low, max: high, step: "any", value, title });
    input.setAttribute("aria-label", title);
    input.addEventListener("input", () => action(Number(input.value)));
    element("sliders").append(input);
    return input;
  },
  // A bar of colours with the values at its ends.
  legend(gradient, low, high) {
    element("legend").hidden = false;
    element("bar").style.background = gradient;
    [element("low").textContent, element("high").textContent] = [low, high];
  },
  // A switch among views: [[name, title], ...].
  choice(options, chosen, action) {
    const buttons = options.map(([name, title]) => {
      const button = ui.button(name, title, () => choose(name));
      return button;
    });
    const choose = (name) => {
      options.forEach(([other], i) => buttons[i].setAttribute("aria-pressed", String(other === name)));
      action(name);
    };
    options.forEach(([name], i) => buttons[i].setAttribute("aria-pressed", String(name === chosen)));
    return choose;
  },
};

function toggleCard() {
  const hidden = element("card").classList.toggle("folded");
  element("fold").setAttribute("aria-expanded", String(!hidden));
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.();
}

const COMMON_KEYS = { h: toggleCard, f: toggleFullScreen };

// A number for people: as many digits as the distance between two pixels makes sensible.
function digits(value, step) {
  const decimals = Math.max(0, Math.min(14, Math.ceil(-Math.log10(step || 1))));
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

function magnification(factor) {
  if (factor >= 1e5) return `${factor.toExponential(1).replace("e+", "·10^")}×`;
  return `${factor >= 10 ? Math.round(factor).toLocaleString("en") : factor.toFixed(1)}×`;
}

// The canvas has a pixel for every pixel of the screen, whatever the browser's zoom.
function fitCanvas(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) =>
    Math.max(1, Math.round(side * ratio)),
  );
  const changed = canvas.width !== width || canvas.height !== height;
  if (changed) Object.assign(canvas, { width, height });
  return changed;
}

// The view as it stands in the address, so that a link leads to it: #x=1&y=2.
const address = {
  read() {
    const entries = [...new URLSearchParams(location.hash.slice(1))].map(([key, text]) => [
      key,
      Number(text),
    ]);
    return Object.fromEntries(entries.filter(([, value]) => Number.isFinite(value)));
  },
  write(values) {
    clearTimeout(address.timer);
    address.timer = setTimeout(() => {
      const text = Object.entries(values)
        .map(([key, value]) => `${key}=${Number(value.toPrecision(15))}`)
        .join("&");
      try {
        history.replaceState(null, "", `#${text}`);
      } catch {
        // Some browsers do not allow it for files.
      }
    }, 300);
  },
};
