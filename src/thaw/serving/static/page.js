// Makes the form better: drop and paste, previews, and results as they come. The server renders
// each of them, as it does without this script.
"use strict";

const form = document.getElementById("form");
const drop = document.getElementById("drop");
const previews = document.getElementById("previews");
const results = document.getElementById("results");
const button = form.querySelector("button");
const inputs = [...form.querySelectorAll("input[type=file]")];

document.querySelectorAll(".with-script").forEach((element) => (element.hidden = false));

const chosen = () => inputs.flatMap((input) => [...input.files]);

function showPreviews() {
  previews.querySelectorAll("img").forEach((image) => URL.revokeObjectURL(image.src));
  previews.replaceChildren(
    ...chosen().map((file) => {
      const item = document.createElement("li");
      const image = document.createElement("img");
      image.src = URL.createObjectURL(file);
      image.alt = file.name;
      item.append(image);
      return item;
    }),
  );
}

function take(files) {
  const transfer = new DataTransfer();
  [...files].filter((file) => file.type.startsWith("image/")).forEach((file) => transfer.items.add(file));
  if (!transfer.files.length) return;
  inputs[0].files = transfer.files;
  inputs.slice(1).forEach((input) => (input.value = ""));
  showPreviews();
  form.requestSubmit();
}

inputs.forEach((input) => input.addEventListener("change", showPreviews));
document.addEventListener("paste", (event) => take(event.clipboardData.files));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});

function failure(message) {
  const article = document.createElement("article");
  const title = document.createElement("h2");
  const text = document.createElement("p");
  article.className = "result failed";
  title.textContent = "No answer";
  text.textContent = message;
  article.append(title, text);
  return article;
}

function named(article, name) {
  const line = document.createElement("p");
  line.className = "hint file";
  line.textContent = name;
  article.prepend(line);
  return article;
}

async function answers(file) {
  const body = new FormData();
  if (file) body.append("images", file);
  try {
    const response = await fetch("/", { method: "POST", body });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const found = [...page.querySelectorAll("#results > article")];
    return found.length ? found : [failure("The image was refused: it may be too large.")];
  } catch {
    return [failure("The server cannot be reached.")];
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  results.replaceChildren();
  const files = chosen();
  if (!files.length) results.append(...(await answers()));
  for (const file of files) {
    results.append(...(await answers(file)).map((article) => named(article, file.name)));
  }
  button.disabled = false;
});
