// pictures.js: pictures in: file, paste, drop, camera, examples. Gives: busy, fail, openSource.

function busy(words) { root.dataset.state = "busy"; readout.set("busy", words); fail(""); }

function fail(words) {
  const box = one(".nlv-error");
  box.textContent = words;
  box.hidden = !words;
  if (words) root.dataset.state = "ready";
}

function openSource(source, words) {
  busy(words);
  state.turn++;
  forgetSaves();
  state.waiting = JSON.stringify(source);
  trigger("picture", { source, block: state.block && state.block.block });
}

// The model that a source names; the page's own is not named.
const modelOf = (source) => (source && source.model) || config.models[0].name;
const sameModel = () => (state.source && state.source.model ? { model: state.source.model } : {});

// The same picture, looked at by another model.
function chooseModel(name) {
  if (!state.source || name === modelOf(state.source)) return;
  const { model, ...source } = state.source;
  openSource(name === config.models[0].name ? source : { ...source, model: name }, "Looking with " + name);
}

// The same clip, sampled or related in another way.
function resample(changes) {
  openSource({ ...state.source, ...changes }, "Looking at the clip again");
}

async function openFile(file) {
  if (!file) return;
  const bound = config.fileBytes[file.type.startsWith("video/") ? "clip" : "picture"];
  if (file.size > bound) { fail(`${file.name} is larger than ${Math.floor(bound / 2 ** 20)} MB; save it smaller.`); return; }
  if (file.size === 0) { fail(`${file.name} is empty (0 bytes).`); return; }
  busy("Opening " + file.name);
  const turn = ++state.turn;
  try {
    const { path } = await upload(file);
    if (turn === state.turn) openSource({ path, ...sameModel() }, "Looking at " + file.name);
  } catch {
    if (turn === state.turn) fail("The picture could not be sent to the server; check the connection and try again.");
  }
}

const picker = one('input[type="file"]');
picker.addEventListener("change", () => { openFile(picker.files[0]); picker.value = ""; });
document.addEventListener("paste", (e) => {
  if (!root.isConnected) return;
  const file = [...(e.clipboardData ? e.clipboardData.files : [])][0];
  if (file) { e.preventDefault(); openFile(file); }
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  root.addEventListener(kind, (e) => {
    e.preventDefault();
    stage.sheet.classList.toggle("dropping", kind === "dragenter" || kind === "dragover");
    if (kind === "drop" && e.dataTransfer.files.length) openFile(e.dataTransfer.files[0]);
  });
}

const camera = one(".nlv-camera"), video = camera.querySelector("video");
one('[data-do="camera"]').addEventListener("click", async () => {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 1280 } });
    await video.play();
    camera.showModal();
  } catch { fail("No camera can be used here: there is none, or the browser was not allowed to use it."); }
});
camera.addEventListener("close", () => { if (video.srcObject) video.srcObject.getTracks().forEach((t) => t.stop()); video.srcObject = null; });
one('[data-do="snap"]').addEventListener("click", () => {
  const shot = document.createElement("canvas");
  shot.width = video.videoWidth;
  shot.height = video.videoHeight;
  shot.getContext("2d").drawImage(video, 0, 0);
  camera.close();
  shot.toBlob((blob) => openFile(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
});

config.examples.forEach((example) => {
  const button = document.createElement("button"), image = document.createElement("img");
  button.type = "button";
  button.dataset.example = example.name;
  button.title = example.title;
  image.src = example.thumb;
  image.alt = example.alt;
  button.append(image);
  button.classList.toggle("clip", example.clip);
  button.addEventListener("click", () => openSource({ example: example.name, ...sameModel() }, "Opening " + example.title));
  one(".nlv-thumbs").append(button);
});
