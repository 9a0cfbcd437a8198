// What a person sees from across the room: a state word, a sentence, the progress, the last photograph; the screen kept on.
const part = (id) => document.getElementById(id);

// kind: "ready", "busy", "waiting" or "wrong", which is the word's colour.
export function show(kind, word, sentence) {
  document.body.dataset.state = kind;
  part("state").textContent = word;
  part("message").textContent = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  part("progress").hidden = true;
}

export function showProgress(count, total) {
  show("busy", "Predicting", `${count} of ${total} predictions`);
  Object.assign(part("progress"), { hidden: false, max: total, value: count });
}

let address = "";
export function showPhotograph(blob) {
  const image = part("taken");
  URL.revokeObjectURL(address);
  address = URL.createObjectURL(blob);
  image.onload = () => { part("caption").textContent = `Last photograph: ${image.naturalWidth} x ${image.naturalHeight}, ${new Date().toLocaleTimeString()}`; };
  image.onerror = () => { part("last").hidden = true; }; // a kind that the browser cannot show, such as HEIF
  image.src = address;
  part("last").hidden = false;
}

// The page is another one's now: no more work, and one button to take the device back.
export function showReplaced() {
  show("wrong", "Not used", "Another page was opened for this device. Close this one, or use it again.");
  part("start").hidden = true;
  part("again").hidden = false;
  part("again").onclick = () => location.reload();
}

let lock = null;
export async function stayAwake() {
  if (document.visibilityState !== "visible" || (lock && !lock.released)) return;
  lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null; // refused when the battery is low
  part("awake").textContent = lock ? "The screen stays on." : "Set this screen never to sleep: the browser does not keep it on.";
}
