// What a page does beyond links and forms; every journey can be gone without it.
"use strict";

const dialog = document.getElementById("window");
const content = document.getElementById("dialog");
const interruption = document.getElementById("interruption");
let opener = null;
let leavingByBack = false;
let wellAt = 0;
let goingBack = false;

// Dialogs -----------------------------------------------------------------------------------------------------

function openDialog() {
  if (dialog.open) return;
  dialog.showModal();
  pushEntry();
}

function pushEntry() {
  // One entry of history, so that "back" closes the dialog instead of leaving the page.
  history.pushState({ dialog: true }, "");
}

function closeDialog() {
  if (!asksFirst()) dialog.close();
}

function asksFirst() {
  const guard = dialog.querySelector(".guard");
  const saved = dialog.querySelector("[data-holds-secret] #saved");
  if (!guard || !saved || saved.checked || !guard.hidden) return false;
  guard.hidden = false;
  guard.querySelector("[data-keep]").focus();
  return true;
}

function afterClose() {
  // Whatever the dialog showed, a secret above all, is gone from the page with it.
  content.replaceChildren();
  goingBack = !leavingByBack && Boolean(history.state?.dialog);
  leavingByBack = false;
  focusOpener();
  if (goingBack) history.back();
}

function focusOpener() {
  if (dialog.open) return;
  const back = opener && document.getElementById(opener);
  (back ?? document.getElementById("main")).focus();
}

function refocusOpener() {
  // Going back to an address with a # takes the focus to where it points.
  if ([document.body, document.getElementById("main")].includes(document.activeElement)) focusOpener();
}

dialog.addEventListener("close", afterClose);
dialog.addEventListener("cancel", (event) => { event.preventDefault(); closeDialog(); });
window.addEventListener("popstate", () => {
  if (goingBack) {
    // The way back of a dialog that is closed already must not close the next one.
    goingBack = false;
    setTimeout(refocusOpener);
    return;
  }
  if (!dialog.open) return;
  if (asksFirst()) {
    pushEntry();
    return;
  }
  leavingByBack = true;
  dialog.close();
});
window.addEventListener("pagehide", () => {
  // A page that comes back from the browser's memory must not bring a secret with it.
  for (const held of document.querySelectorAll("[data-secret]")) held.remove();
});

document.addEventListener("submit", (event) => {
  if (event.target.method !== "dialog") return;
  event.preventDefault();
  closeDialog();
});

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("a, button");
  if (!pressed) return;
  if (pressed.getAttribute("hx-target") === "#dialog") opener = pressed.id;
  if (pressed.matches("[data-close]")) pressed.closest("dialog") === interruption ? interruption.close() : closeDialog();
  if (pressed.matches("[data-close-anyway]")) dialog.close();
  if (pressed.matches("[data-keep]")) { pressed.closest(".guard").hidden = true; focusIn(pressed.closest("[data-panel]")); }
  if (pressed.matches("[data-reload]")) { event.preventDefault(); location.reload(); }
  if (pressed.matches("[data-copy]")) copy(pressed);
  if (pressed.matches("[data-download]")) download(pressed);
  if (pressed.matches("[data-preset]")) choosePreset(event, pressed);
});

// Panels: focus, and what was typed -----------------------------------------------------------------------------

function focusIn(panel) {
  const wanted = panel.querySelector("[aria-invalid=true]") ?? panel.querySelector("[autofocus]");
  (wanted ?? panel.querySelector("#dialog-title"))?.focus();
}

let typed = null;
let heldFocus = false;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target, requestConfig } = event.detail;
  const panel = target.closest?.("[data-panel]");
  typed = null;
  if (panel && requestConfig.headers["X-Live"] && panel.querySelector("form.htmx-request, a.htmx-request")) {
    // The answer to what was pressed is on its way to this panel: were it replaced now, the answer would go nowhere.
    event.detail.shouldSwap = false;
    return;
  }
  // A panel that looks again by itself keeps what is being typed, and the focus.
  heldFocus = target.contains(document.activeElement);
  if (panel && requestConfig.headers["X-Live"] && xhr.status === 200) {
    const fields = [...panel.querySelectorAll("input:not([type=hidden]), textarea")];
    const opened = [...panel.querySelectorAll("details[open]")].map((details) => details.id);
    typed = { opened, focus: document.activeElement?.id, inside: panel.contains(document.activeElement), values: fields.filter((field) => field.id).map((field) => [field.id, field.type === "checkbox" ? field.checked : field.value]) };
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  const target = event.detail.target;
  if (target === content) openDialog();
});

document.addEventListener("htmx:afterSettle", (event) => {
  prepare(document);
  const landed = event.detail.elt;
  const panel = landed.matches?.("[data-panel]") ? landed : landed === content ? content.querySelector("[data-panel]") : null;
  // What had the focus may be gone from a list that looked again by itself.
  if (!panel && heldFocus && document.activeElement === document.body) document.getElementById("main").focus({ preventScroll: true });
  if (!panel) return;
  if (typed) restore(panel);
  else focusIn(panel);
});

function restore(panel) {
  for (const id of typed.opened) panel.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  for (const [id, value] of typed.values) {
    const field = panel.querySelector(`#${CSS.escape(id)}`);
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value; else field.value = value;
  }
  const again = typed.focus && panel.querySelector(`#${CSS.escape(typed.focus)}`);
  if (again) again.focus(); else if (typed.inside) focusIn(panel);
}

// What goes wrong on the way ------------------------------------------------------------------------------------

let saidThatSessionEnded = false;
let saidUnasked = null;

document.addEventListener("htmx:configRequest", (event) => {
  // The account may change in another tab; what this page shows is sent for the account it was shown for, or not at all.
  if (document.body.dataset.actingFor) event.detail.headers["X-Acting-For"] = document.body.dataset.actingFor;
});
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status !== 401) {
    const said = status === 413 ? "That is too long to be sent. Nothing you typed is lost." : "That did not work. Nothing you typed is lost: try again.";
    if (!event.detail.requestConfig.headers["X-Live"]) say(said);
    return;
  }
  if (interruption.open) return;
  // Once is enough for what the page asks by itself, or nobody could read on; what is pressed is always answered.
  const unasked = !event.detail.requestConfig.elt.matches("form, a, button");
  // An answer that was under way while the session came back is old news.
  if (unasked && (saidThatSessionEnded || event.detail.xhr.begunAt < wellAt)) return;
  saidThatSessionEnded = true;
  interruption.showModal();
});
document.addEventListener("htmx:beforeSend", (event) => { event.detail.xhr.begunAt = performance.now(); });
document.addEventListener("htmx:afterRequest", (event) => {
  // Not `successful`, which htmx says of all that it may show.
  if (event.detail.xhr.status < 200 || event.detail.xhr.status >= 400) return;
  saidThatSessionEnded = false;
  wellAt = performance.now();
  saidUnasked = null;
});
document.addEventListener("htmx:sendError", (event) => {
  if (!event.detail.requestConfig.headers["X-Live"]) say("There is no connection. Nothing is lost: try again.");
});
document.addEventListener("problem", (event) => {
  // What the page asks by itself, it asks again and again.
  const unasked = event.target.getAttribute?.("hx-headers")?.includes("X-Live");
  if (unasked && saidUnasked === event.detail.value) return;
  if (unasked) saidUnasked = event.detail.value;
  say(event.detail.value);
});
document.addEventListener("htmx:timeout", () => say("This takes long. Nothing is lost: try again."));

function say(text) {
  // While a dialog is open, everything outside of it is silent.
  const toast = (dialog.open ? dialog : document.body).querySelector(":scope > .toast");
  toast.textContent = text;
  setTimeout(() => { if (toast.textContent === text) toast.textContent = ""; }, 8000);
}

// Time ------------------------------------------------------------------------------------------------------------

function reading(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}

function startCounting(shown) {
  // From when it arrives: the reader's clock may be wrong, and a throttled tab may tick late.
  shown.endsAt ??= Date.now() + Number(shown.dataset.countdown) * 1000;
}

function tick() {
  for (const shown of document.querySelectorAll("[data-countdown]")) {
    startCounting(shown);
    const left = Math.max(0, Math.ceil((shown.endsAt - Date.now()) / 1000));
    const text = reading(left);
    if (shown.textContent !== text) shown.textContent = text;
    // Again every two seconds, until the server agrees that the time is over.
    if (left > 0 || Date.now() - (shown.askedAt ?? 0) < 2000) continue;
    shown.askedAt = Date.now();
    htmx.trigger(shown, "due");
  }
}

// Boxes that enable or show buttons ------------------------------------------------------------------------------

function follow(box) {
  for (const group of document.querySelectorAll(`[data-enabled-by="${box.id}"]`)) group.disabled = !box.checked;
  for (const group of document.querySelectorAll(`[data-shown-by="${box.id}"]`)) group.hidden = !box.checked;
}

function prepare(root) {
  for (const group of root.querySelectorAll("[data-enabled-by], [data-shown-by]")) {
    const box = document.getElementById(group.dataset.enabledBy ?? group.dataset.shownBy);
    if (box) follow(box);
  }
  root.querySelectorAll("[data-countdown]").forEach(startCounting);
  for (const moment of root.querySelectorAll("time:not([title])")) {
    moment.title = new Date(moment.dateTime).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  }
}

document.addEventListener("change", (event) => {
  if (event.target.type === "checkbox" && event.target.id) follow(event.target);
  if (event.target.checked) htmx.trigger(event.target, "ticked");
  if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
});

function choosePreset(event, link) {
  event.preventDefault();
  const form = link.closest("form");
  for (const box of form.querySelectorAll("[name=permissions]:not(:disabled)")) box.checked = box.value === link.dataset.preset;
  form.dispatchEvent(new Event("change", { bubbles: true }));
  say("Read and Trade are chosen; funds stay off.");
}

// Secrets: copy, download -----------------------------------------------------------------------------------------

async function copy(button) {
  const value = document.getElementById(button.dataset.copy).textContent;
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(value);
    label.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    label.textContent = "Press Ctrl+C";
  }
  say(label.textContent);
  setTimeout(() => { label.textContent = "Copy"; }, 3000);
}

function download(button) {
  const held = button.closest("[data-panel]").querySelector("[data-secret]");
  const lines = [...held.querySelectorAll("[data-label]")].map((value) => `${value.dataset.label}: ${value.textContent}\n`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "text/plain" }));
  link.download = held.dataset.file;
  link.click();
  URL.revokeObjectURL(link.href);
}

// The link in the activation mail carries its token behind the #, where no server log sees it ---------------------

function takeToken() {
  const field = document.getElementById("link-token");
  if (!field || !/^#[\w-]{20,128}$/.test(location.hash)) return;
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  for (const part of document.querySelectorAll("[data-with-token]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-token]")) part.hidden = true;
}

window.addEventListener("hashchange", takeToken);
document.documentElement.classList.add("scripted");
takeToken();
prepare(document);
setInterval(tick, 500);
