// The service behind the page: one request at a time by each asker, and what happens when it does not go well.
//
// state: "starting", "ready", "busy" (429, for as long as it says), "locked" (401: a token is wanted), "gone" (no answer,
// or one of those 5xx that pass). While it is gone /readyz is asked at growing intervals; when it answers, whoever waited
// asks again. While it is there and nobody asks anything, /readyz is asked now and then, so that its end is told to whom
// does not draw just then. A page that is hidden asks nothing of its own accord.

const TOKEN = "perilune token";
const PATIENCE = 15000;            // milliseconds for an answer
const FIRST = 250, LONGEST = 8000; // milliseconds between questions whether it is back
const BEAT = 5000, SLOWEST = 20000; // and, while it is there, whether it still is
const BUSY = 1;                    // seconds to wait when a 429 does not say
const PASSING = new Set([502, 503, 504]);

const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

// What a refusal says of itself.
async function reasonOf(response) {
  try {
    return (await response.json()).error.reason;
  } catch (_) {
    return `${response.status} ${response.statusText}`.trim();
  }
}

export class Service {
  // hooks: state(name, detail), token(refused) -> Promise of a token
  constructor(hooks) {
    this.hooks = hooks;
    this.failures = 0; // in a row
    this.asked = 0;    // when something was asked last
    this.state = "starting";
    this.resting = new Set(); // what ends each rest
    for (const name of ["online", "offline"]) addEventListener(name, () => this.hurry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.hurry(); });
    this.attend();
  }

  become(state, detail) {
    if (state === this.state && !detail) return;
    this.state = state;
    this.hooks.state(state, detail);
  }

  // One request: { ok, status, data (of JSON), reason (of a refusal), trouble: "gone", "busy" or "locked", seconds }.
  // vital: without it the page is of no use, so that a 500 is trouble too.
  async once(path, { method = "GET", type, body, vital } = {}) {
    const headers = {}, token = sessionStorage.getItem(TOKEN);
    if (type) headers["Content-Type"] = type;
    if (token) headers.Authorization = `Bearer ${token}`;
    let response;
    this.asked = performance.now();
    try {
      response = await fetch(path, { method, headers, body, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (response.ok) {
        const data = await response.json();
        this.failures = 0;
        this.become("ready");
        return { ok: true, status: response.status, data };
      }
    } catch (_) { // no connection, none any more, or an answer that is none
      return { ok: false, status: 0, trouble: "gone", reason: "" };
    }
    const answer = { ok: false, status: response.status, reason: await reasonOf(response) };
    if (response.status === 401) {
      answer.trouble = "locked";
    } else if (response.status === 429) {
      answer.trouble = "busy";
      answer.seconds = Number(response.headers.get("Retry-After")) || BUSY;
    } else if (PASSING.has(response.status) || (vital && response.status === 500)) {
      answer.trouble = "gone";
    } else {
      this.failures = 0;
      this.become("ready");
    }
    return answer;
  }

  // Asks until there is an answer that stands. make() gives the request, anew each time: { path, ... } as for once, or
  // null when there is nothing to ask any more.
  async insist(make) {
    for (;;) {
      const request = make();
      if (!request) return null;
      const answer = await this.once(request.path, request);
      if (answer.trouble === "gone") await this.recovery(answer.reason);
      else if (answer.trouble === "busy") await this.calm(answer.seconds);
      else if (answer.trouble === "locked") await this.unlock();
      else return answer;
    }
  }

  async calm(seconds) {
    this.become("busy", seconds);
    await pause(1000 * seconds);
  }

  // Waits until a token was given; askers that come meanwhile wait for the same one.
  unlock() {
    if (!this.unlocking) {
      const refused = sessionStorage.getItem(TOKEN) !== null;
      this.become("locked");
      this.unlocking = this.hooks.token(refused).then((token) => {
        sessionStorage.setItem(TOKEN, token);
        this.unlocking = null;
      });
    }
    return this.unlocking;
  }

  // Waits until the service is back; askers that come meanwhile wait for the same moment.
  recovery(reason) {
    if (!this.recovering) {
      this.become("gone", reason);
      this.recovering = this.watch().then(() => { this.recovering = null; });
    }
    return this.recovering;
  }

  async watch() {
    do await this.rest(Math.min(LONGEST, FIRST * 2 ** this.failures++));
    while (await this.failing() !== null);
  }

  // Asks again and again whether the service is there, the more seldom the longer nobody else asks anything.
  async attend() {
    for (let wait = BEAT, asked = 0; ;) {
      await this.rest(wait);
      if (asked !== this.asked) wait = BEAT;
      asked = this.asked;
      if (this.state !== "ready" || performance.now() - asked < BEAT) continue;
      const reason = await this.failing();
      if (reason === null) {
        wait = Math.min(SLOWEST, 1.5 * wait);
      } else {
        await this.recovery(reason);
        this.become("ready");
      }
    }
  }

  // Why the service takes no requests just now; null when it does.
  async failing() {
    try {
      const response = await fetch("readyz", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      return response.ok ? null : await reasonOf(response);
    } catch (_) {
      return "";
    }
  }

  // Waits for a time, unless somebody hurries; on a hidden page until it is looked at again.
  rest(milliseconds) {
    return new Promise((done) => {
      this.resting.add(done);
      pause(milliseconds).then(() => { if (!document.hidden) this.wake(done); });
    });
  }

  wake(done) {
    this.resting.delete(done);
    done();
  }

  // Somebody has reason to believe that something has changed, or does not want to wait.
  hurry() {
    for (const done of [...this.resting]) this.wake(done);
  }
}

// Asks for the newest of what changes all the time: one request is under way, and when it is answered, the next is made
// of what is newest then.
export class Latest {
  // make() -> a request or null, take(answer, request)
  constructor(service, make, take) {
    Object.assign(this, { service, make, take, news: false, running: false });
  }

  ask() {
    this.news = true;
    if (!this.running) this.run();
  }

  async run() {
    this.running = true;
    while (this.news) {
      let request = null;
      const answer = await this.service.insist(() => {
        this.news = false;
        request = this.make();
        return request;
      });
      if (answer) this.take(answer, request, this.news);
    }
    this.running = false;
  }
}
