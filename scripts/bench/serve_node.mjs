// A rival of bench.sh serve: the digit net by onnxruntime-node behind Node's own http server.
//
//     node serve_node.mjs '{"net": FILE.onnx, "modules": FOLDER, "processes": 1, "threads": 1, "batch": 64}'
//
// POST /v1/predict takes 784 raw bytes or {"pixels": [784 numbers from 0 to 255]} and answers
// {"predictions": [{"label": 7, "probabilities": [...]}]}. What arrives while the net runs is run next as one batch, at
// most `batch` images; with a batch of 1 each request is a run of its own. Several processes share the port by
// node:cluster. Prints "listening on URL" when it serves, ends with its standard input.
import cluster from 'node:cluster'
import http from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'

const work = JSON.parse(process.argv[2])
const SIDE = 28
const PIXELS = SIDE * SIDE
const CLASSES = 10

async function openNet() {
  const ort = createRequire(path.join(work.modules, 'package.json'))('onnxruntime-node')
  const session = await ort.InferenceSession.create(work.net, {
    executionProviders: ['cpu'], graphOptimizationLevel: 'all', intraOpNumThreads: work.threads, interOpNumThreads: 1
  })
  return async (pixels, count) => {
    const x = new ort.Tensor('float32', pixels.subarray(0, count * PIXELS), [count, 1, SIDE, SIDE])
    return (await session.run({ x })).y.data
  }
}

// Gathers pictures while the net runs. add(fill, done): fill(pixels, offset) writes 0..1 into the batch when it is made.
function batcher(run) {
  const waiting = []
  const pixels = new Float32Array(work.batch * PIXELS)
  let running = false

  async function drain() {
    running = true
    while (waiting.length > 0) {
      const batch = waiting.splice(0, work.batch)
      batch.forEach((one, i) => one.fill(pixels, i * PIXELS))
      const y = await run(pixels, batch.length)
      batch.forEach((one, i) => one.done(y, i * CLASSES))
    }
    running = false
  }

  return (fill, done) => {
    waiting.push({ fill, done })
    if (!running) drain()
  }
}

// Each request a run of its own.
function single(run) {
  return async (fill, done) => {
    const pixels = new Float32Array(PIXELS)
    fill(pixels, 0)
    done(await run(pixels, 1), 0)
  }
}

function send(response, status, value) {
  const text = JSON.stringify(value)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}

const refuse = (response, status, reason) => send(response, status, { error: { status, reason } })

// The body's 784 values, or undefined when it holds none.
function valuesOf(request, body) {
  if (request.headers['content-type'] !== 'application/json') return body
  try { return JSON.parse(body.toString('latin1')).pixels } catch { return undefined }
}

function answer(request, response, body, add) {
  const values = valuesOf(request, body)
  if (values?.length !== PIXELS) return refuse(response, 400, `wants ${PIXELS} pixels`)
  const fill = (pixels, at) => {
    for (let i = 0; i < PIXELS; i++) pixels[at + i] = values[i] / 255
  }
  add(fill, (y, at) => {
    const probabilities = Array.from(y.subarray(at, at + CLASSES))
    let label = 0
    for (let i = 1; i < CLASSES; i++) if (probabilities[i] > probabilities[label]) label = i
    send(response, 200, { predictions: [{ label, probabilities }] })
  })
}

async function serve() {
  const run = await openNet()
  const add = work.batch > 1 ? batcher(run) : single(run)
  const server = http.createServer((request, response) => {
    if (request.method !== 'POST' || request.url !== '/v1/predict') return refuse(response, 404, 'only POST /v1/predict')
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => answer(request, response, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), add))
  })
  server.keepAliveTimeout = 60000
  server.listen(0, '127.0.0.1', 1024, () => {
    const url = `http://127.0.0.1:${server.address().port}`
    if (cluster.isWorker) process.send({ url })
    else console.log(`listening on ${url}`)
  })
}

if (work.processes > 1 && cluster.isPrimary) {
  let ready = 0
  for (let i = 0; i < work.processes; i++) {
    cluster.fork().on('message', ({ url }) => {
      ready += 1
      if (ready === work.processes) console.log(`listening on ${url}`)
    })
  }
} else serve()
if (cluster.isPrimary) process.stdin.resume().on('end', () => process.exit(0))
