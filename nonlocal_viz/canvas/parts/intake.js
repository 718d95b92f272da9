// Pictures in: file, paste, drop, camera, examples.

import { all, make, makeButton, one } from "./elements.js";

/** @typedef {{ file: (file: File) => void, example: (name: string, title: string) => void, failed: (words: string) => void }} Listener */

/** Why a file cannot be taken; "" where it can. @param {{ name: string, size: number, type: string }} file
 * @param {import("../protocol.js").Config["bounds"]} bounds bytes */
export function refusal(file, bounds) {
  const bound = file.type.startsWith("video/") ? bounds.clip : bounds.picture;
  if (file.size > bound) return `${file.name} is larger than ${Math.floor(bound / 2 ** 20)} MB; save it smaller.`;
  return file.size === 0 ? `${file.name} is empty (0 bytes).` : "";
}

export class Intake {
  /** @param {HTMLElement} root @param {HTMLElement} picture where a file is dropped @param {import("./company.js").Company} company
   * @param {import("../protocol.js").Example[]} examples @param {Listener} on */
  constructor(root, picture, company, examples, on) {
    this.thumbs = one(root, ".nlv-thumbs");
    const picker = /** @type {HTMLInputElement} */ (one(root, 'input[type="file"]'));
    const take = (/** @type {FileList | null | undefined} */ files) => { if (files && files[0]) on.file(files[0]); };
    picker.addEventListener("change", () => { take(picker.files); picker.value = ""; });
    document.addEventListener("paste", (e) => {
      if (!company.ours(e) || !e.clipboardData?.files.length) return;
      e.preventDefault();
      take(e.clipboardData.files);
    });
    for (const kind of /** @type {const} */ (["dragenter", "dragover", "dragleave", "drop"])) {
      root.addEventListener(kind, (e) => {
        e.preventDefault();
        picture.classList.toggle("dropping", kind === "dragenter" || kind === "dragover");
        if (kind === "drop") take(e.dataTransfer?.files);
      });
    }
    this.thumbs.append(...examples.map((example) => thumb(example, on)));
    listenToCamera(root, on);
  }

  /** @param {string | undefined} name of the example that is shown */
  mark(name) {
    for (const button of all(this.thumbs, "button")) button.setAttribute("aria-pressed", String(button.dataset.example === name));
  }
}

/** @param {import("../protocol.js").Example} example @param {Listener} on */
function thumb(example, on) {
  const button = makeButton(), image = make("img");
  button.dataset.example = example.name;
  button.title = example.title;
  image.src = example.thumb;
  image.alt = example.alt;
  button.append(image);
  button.classList.toggle("clip", example.clip);
  button.addEventListener("click", () => on.example(example.name, example.title));
  return button;
}

/** @param {HTMLElement} root @param {Listener} on */
function listenToCamera(root, on) {
  const camera = /** @type {HTMLDialogElement} */ (one(root, ".nlv-camera")), video = /** @type {HTMLVideoElement} */ (one(camera, "video"));
  one(root, '[data-do="camera"]').addEventListener("click", async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 1280 } });
      await video.play();
      camera.showModal();
    } catch { on.failed("No camera can be used here: there is none, or the browser was not allowed to use it."); }
  });
  camera.addEventListener("close", () => {
    if (video.srcObject instanceof MediaStream) video.srcObject.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  });
  one(root, '[data-do="snap"]').addEventListener("click", () => {
    const shot = make("canvas");
    shot.width = video.videoWidth;
    shot.height = video.videoHeight;
    shot.getContext("2d")?.drawImage(video, 0, 0);
    camera.close();
    shot.toBlob((blob) => { if (blob) on.file(new File([blob], "camera.jpg", { type: "image/jpeg" })); }, "image/jpeg", 0.92);
  });
}
