// How a canvas in a page reaches the kernel behind it: one comm, in any front end that has a way.
//
// openLink(root, canvas, on) gives { send(data) -> message, close() }, or null where the page has no kernel. It calls
//   on.answer(data)   for what the kernel sends; the first tells that it can be asked
//   on.unanswered(message)  when the kernel is done with a message, which is OPENING or what send returned; an answer to
//                     it has come before
//   on.lost(reason)   when there is nobody to ask any more: "restarted", "unknown", "dead", "disconnected"
// Notebook 6 has its comm manager in the page. JupyterLab and Notebook 7 have none, but tell where the server is;
// what is displayed before the canvas has marked the cell's output with the kernel's id, and a WebSocket of our own
// (one for all canvases of a kernel) speaks the protocol of Jupyter's messages as JSON.

const TARGET = "perilune.draw";
const OPENING = "opening";
const PATIENCE = 150; // milliseconds for an answer to overtake the news that the kernel is idle again

function identifier() {
  if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // no randomUUID in pages without https
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// ---- Notebook 6

function classicNotebook() {
  const page = window.Jupyter || window.IPython;
  return page && page.notebook && page.notebook.events ? page.notebook : null;
}

function openClassic(notebook, canvas, on) {
  let comm = null, closed = false, count = 0;
  const callbacks = (message) => ({ iopub: { status: (status) => {
    if (status.content.execution_state === "idle") setTimeout(() => { if (!closed) on.unanswered(message); }, PATIENCE);
  } } });
  const begin = () => {
    const kernel = notebook.kernel;
    if (closed || comm || !kernel || !kernel.is_connected()) return;
    comm = kernel.comm_manager.new_comm(TARGET, { canvas }, callbacks(OPENING));
    comm.on_msg((message) => on.answer(message.content.data));
    comm.on_close((message) => lose(message.content.data && message.content.data.reason || "unknown"));
  };
  const lose = (reason) => {
    const had = comm;
    comm = null;
    if (had && !closed) on.lost(reason);
  };
  const events = {
    "kernel_ready.Kernel": begin,
    "kernel_restarting.Kernel": () => lose("restarted"),
    "kernel_autorestarting.Kernel": () => lose("restarted"),
    "kernel_dead.Kernel": () => lose("dead"),
    "kernel_killed.Kernel": () => lose("dead"),
    "kernel_disconnected.Kernel": () => lose("disconnected"),
  };
  for (const name of Object.keys(events)) notebook.events.on(name, events[name]);
  begin();
  return {
    send(data) {
      count++;
      if (comm) comm.send(data, callbacks(count));
      return count;
    },
    close() {
      for (const name of Object.keys(events)) notebook.events.off(name, events[name]);
      closed = true;
      if (comm) comm.close({});
      comm = null;
    },
  };
}

// ---- JupyterLab, Notebook 7

// Where the server is: { http, ws, token }, or null.
function server() {
  const element = document.getElementById("jupyter-config-data");
  if (!element) return null;
  let config;
  try {
    config = JSON.parse(element.textContent);
  } catch (_) {
    return null;
  }
  const http = new URL(config.baseUrl || "/", location.href);
  const ws = new URL(config.wsUrl || http, http);
  ws.protocol = ws.protocol.replace(/^http/, "ws");
  return { http: http.href.replace(/\/*$/, "/"), ws: ws.href.replace(/\/*$/, "/"), token: config.token || "" };
}

// The connection to one kernel, shared by all its canvases in this page.
class Wire {
  constructor(place, kernel) {
    this.place = place;
    this.kernel = kernel;
    this.session = identifier();
    this.comms = new Map();   // by id: what is called for its messages
    this.pending = new Map(); // by message: the comm that sent it, and what the message is called
    this.queue = [];
    this.connect();
  }

  connect() {
    const query = new URLSearchParams({ session_id: this.session });
    if (this.place.token) query.set("token", this.place.token);
    this.socket = new WebSocket(`${this.place.ws}api/kernels/${encodeURIComponent(this.kernel)}/channels?${query}`);
    this.socket.onopen = () => {
      for (const text of this.queue.splice(0)) this.socket.send(text);
    };
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = () => this.end("disconnected");
  }

  send(type, content, name) {
    const header = {
      msg_id: identifier(), msg_type: type, session: this.session, username: "", date: new Date().toISOString(),
      version: "5.3",
    };
    const text = JSON.stringify({ header, parent_header: {}, metadata: {}, content, channel: "shell", buffers: [] });
    this.pending.set(header.msg_id, { comm: content.comm_id, name: name || header.msg_id });
    if (this.socket.readyState === WebSocket.CONNECTING) this.queue.push(text);
    else this.socket.send(text);
    return header.msg_id;
  }

  // All that the kernel publishes comes by here; large outputs of cells are not for us and are not parsed.
  receive(text) {
    if (typeof text !== "string" || (text.length > 4096 && !text.includes(this.session))) return;
    const message = JSON.parse(text);
    if (message.channel !== "iopub") return;
    const { content, parent_header: parent } = message, type = message.header.msg_type;
    if (type === "comm_msg" || type === "comm_close") {
      const comm = this.comms.get(content.comm_id);
      if (comm && type === "comm_msg") comm.answer(content.data);
      if (comm && type === "comm_close") comm.lost(content.data && content.data.reason || "unknown");
    } else if (type === "shutdown_reply") {
      this.end(content.restart ? "restarted" : "dead");
    } else if (type === "status") {
      const state = content.execution_state, sent = this.pending.get(parent && parent.msg_id);
      if (state === "restarting" || state === "starting") this.end("restarted");
      else if (state === "dead") this.end("dead");
      else if (state === "idle" && sent) {
        this.pending.delete(parent.msg_id);
        setTimeout(() => { if (this.comms.has(sent.comm)) this.comms.get(sent.comm).unanswered(sent.name); }, PATIENCE);
      }
    }
  }

  end(reason) {
    wires().delete(this.kernel);
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close();
    const comms = Array.from(this.comms.values());
    this.comms.clear();
    for (const comm of comms) comm.lost(reason);
  }

  leave(id) {
    if (!this.comms.delete(id)) return;
    this.send("comm_close", { comm_id: id, data: {} });
    if (this.comms.size === 0) setTimeout(() => { if (this.comms.size === 0) this.end("disconnected"); }, 2000);
  }
}

// The page's wires by kernel; every canvas runs this script anew, so they lie with the page.
function wires() {
  window.periluneWires = window.periluneWires || new Map();
  return window.periluneWires;
}

function openLab(place, kernel, canvas, on) {
  const wire = wires().get(kernel) || new Wire(place, kernel);
  wires().set(kernel, wire);
  const id = identifier();
  wire.comms.set(id, on);
  wire.send("comm_open", { comm_id: id, target_name: TARGET, data: { canvas } }, OPENING);
  return {
    send(data) { return wire.send("comm_msg", { comm_id: id, data }); },
    close() { wire.leave(id); },
  };
}

// The kernel that displayed this output; a copy of the output elsewhere in the page asks the only kernel there is.
function kernelOf(root) {
  const marked = root.closest("[data-perilune-kernel]");
  if (marked) return marked.dataset.periluneKernel;
  const kernels = new Set(Array.from(document.querySelectorAll("[data-perilune-kernel]"),
    (element) => element.dataset.periluneKernel));
  return kernels.size === 1 ? kernels.values().next().value : null;
}

function openLink(root, canvas, on) {
  const notebook = classicNotebook();
  if (notebook) return openClassic(notebook, canvas, on);
  const place = server(), kernel = place && kernelOf(root);
  return kernel ? openLab(place, kernel, canvas, on) : null;
}
