// Pictures in: file, paste, drop, camera, examples.

import { all, make, makeButton, one, say } from "./elements.js";

/** @typedef {{ file: (file: File) => void, example: (name: string, title: string) => void, failed: (words: string) => void }} Listener */

/** Why a file cannot be taken; "" where it can. @param {{ name: string, size: number, type: string }} file
 * @param {import("../protocol.js").Config["bounds"]} bounds bytes */
export function refusal(file, bounds) {
  const bound = file.type.startsWith("video/") ? bounds.clip : bounds.picture;
  if (file.size > bound) return `${file.name} is larger than ${Math.floor(bound / 2 ** 20)} MB; save it smaller.`;
  if (file.type && !/^(image|video)\//.test(file.type)) return `${file.name} is neither a picture nor a clip; open a JPEG, PNG, MP4 or the like.`;
  return file.size === 0 ? `${file.name} is empty (0 bytes).` : "";
}

const ELSEWHERE = "Nothing is fetched from other pages: save the picture first, then open or drop its file.";

/** What was dropped or pasted: one file, or why it is none that can be opened; null where it is none of our business.
 * @param {{ files: ArrayLike<File>, items: ArrayLike<DataTransferItem>, getData: (type: string) => string }} given
 * @returns {{ file?: File, words?: string } | null} */
export function offered({ files, items, getData }) {
  const [entry] = Array.from(items || []).map((item) => item.webkitGetAsEntry?.());
  if (files.length > 1) return { words: `${files.length} files at once are too many; open one of them.` };
  if (entry?.isDirectory) return { words: `${entry.name} is a folder; open one of its pictures.` };
  if (files.length) return { file: files[0] };
  return /^\s*(https?|file|data|blob):|^\s*www\.\S+$/i.test(getData("text/uri-list") || getData("text/plain")) ? { words: ELSEWHERE } : null;
}

export class Intake {
  /** @param {HTMLElement} root @param {HTMLElement} picture where a file is dropped @param {import("./company.js").Company} company
   * @param {import("../protocol.js").Example[]} examples @param {Listener} on */
  constructor(root, picture, company, examples, on) {
    this.thumbs = one(root, ".nlv-thumbs");
    this.title = one(one(root, ".nlv-title"), "b");
    const picker = /** @type {HTMLInputElement} */ (one(root, 'input[type="file"]'));
    const take = (/** @type {DataTransfer | null} */ given) => {
      const found = given && offered({ files: given.files, items: given.items, getData: (type) => given.getData(type) });
      if (found?.file) on.file(found.file);
      else if (found?.words) on.failed(found.words);
      return Boolean(found);
    };
    picker.addEventListener("change", () => {
      if (picker.files?.length) on.file(picker.files[0]);
      picker.value = "";
    });
    document.addEventListener("paste", (e) => { if (company.ours(e) && take(e.clipboardData)) e.preventDefault(); });
    for (const kind of /** @type {const} */ (["dragenter", "dragover", "dragleave", "drop"])) {
      root.addEventListener(kind, (e) => {
        e.preventDefault();
        picture.classList.toggle("dropping", kind === "dragenter" || kind === "dragover");
        if (kind === "drop") take(e.dataTransfer);
      });
    }
    this.thumbs.append(...examples.map((example) => thumb(example, on)));
    listenToCamera(root, on);
  }

  /** @param {string | undefined} name of the example that is shown @param {string} title of what is shown */
  mark(name, title) {
    say(this.title, title);
    this.title.title = title;
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
