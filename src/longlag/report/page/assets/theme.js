// Light and dark, and the light one for print.

const PRINT_WIDTH = 690;
let printing = false;

function dark() {
  return !printing && document.documentElement.dataset.theme === "dark";
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Okabe & Ito's colours, distinct for the colour-blind too: the first ones fit the ground.
function palette() {
  const last = dark() ? ["#f0e442", "#ffffff"] : ["#000000", "#7a5c00"];
  return [dark() ? "#4aa3df" : "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", dark() ? "#9ad5f7" : "#56b4e9", ...last];
}
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "10px,2px,2px,2px"];

// The look of line k: a colour and a dash; no two of the first 56 are the same.
function lineOf(k) {
  return { color: palette()[k % 8], dash: DASHES[k % 7], width: 2 };
}

function faint(hex, opacity) {
  const channels = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
  return `rgba(${channels.join(",")},${opacity})`;
}

// Cividis (Nuñez, Anderton & Renslow 2018): even in lightness, and the same to the colour-blind.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];

function cividis(share) {
  const place = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
  const k = Math.min(Math.floor(place), CIVIDIS.length - 2);
  const channel = (hex, c) => parseInt(hex.slice(1 + 2 * c, 3 + 2 * c), 16);
  const mixed = [0, 1, 2].map((c) => {
    const [low, high] = [channel(CIVIDIS[k], c), channel(CIVIDIS[k + 1], c)];
    return Math.round(low + (high - low) * (place - k));
  });
  const linear = mixed.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return { ground: `rgb(${mixed.join(",")})`, ink: luminance > 0.179 ? "#000" : "#fff" }; // the ink with more contrast, WCAG 2
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = name === "dark" ? "Light theme" : "Dark theme";
  byId("theme").setAttribute("aria-pressed", String(name === "dark"));
}

function startTheme(redraw) {
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  setTheme(preferred.matches ? "dark" : "light");
  preferred.addEventListener("change", () => {
    setTheme(preferred.matches ? "dark" : "light");
    redraw();
  });
  byId("theme").addEventListener("click", () => {
    setTheme(dark() ? "light" : "dark");
    redraw();
  });
  let before = "light";
  window.addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme;
    printing = true;
    setTheme("light");
    redraw();
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    setTheme(before);
    redraw();
  });
}
