import { loadModel, openDevice } from 'nextx'
import { generate, type Stepper, type StepperState } from 'nextx/decode'
import { openEngine } from 'nextx/engine'
import type { Device } from 'nextx/platform'
import type { DecodeRun, DecodeTimes, EngineSpec, ExtendRun, RunningEngine, ServedTimes, ServeRun } from './arm.ts'
import { fixedIds, likeliest } from './ids.ts'
import { serveAll } from './serve-all.ts'
import { soak } from './soak-run.ts'
import { stopwatch } from './stopwatch.ts'

/** nextx as an application would use it: a model from a file, and its stepper. */
export async function openNextx({ file, threads, block }: EngineSpec): Promise<RunningEngine> {
  const device = await openDevice({ threads })
  const { stepper } = await loadModel(file, { device, ...(block && { weights: { bits: 4, blockSize: block } }) })
  return runningOn(stepper, device)
}

/** Any stepper, as an arm. */
export function runningOn<State extends StepperState>(stepper: Stepper<State>, device: Device): RunningEngine {
  return {
    description: `nextx on ${device.info.driver} ${device.info.version}`,
    decode: (run) => decode(stepper, run),
    extend: (run) => extend(stepper, run),
    serve: (run) => serve(stepper, run),
    soak: (run) => soak(stepper, device, run),
  }
}

const lastLogits = { keep: 'append', logits: 'last' } as const

async function decode<State extends StepperState>(
  stepper: Stepper<State>,
  { rows, prompt, steps }: DecodeRun,
): Promise<DecodeTimes> {
  const states = await Promise.all(Array.from({ length: rows }, () => stepper.open()))
  const ids = states.map((_, row) => fixedIds(row, prompt + steps))
  const feed = async (from: number, to: number) => {
    const batch = states.map((state, row) => ({ state, tokens: ids[row]!.subarray(from, to) }))
    return (await stepper.extend(batch, lastLogits)).map(({ logits }) => likeliest(logits))
  }
  const lap = stopwatch()
  const found = [(await feed(0, prompt))[0]!]
  const prompted = lap()
  for (let at = prompt; at < prompt + steps; at++) found.push((await feed(at, at + 1))[0]!)
  const stepped = lap()
  for (const state of states) await stepper.close(state)
  return { prompt: prompted, steps: stepped, together: rows, likeliest: found }
}

async function extend<State extends StepperState>(
  stepper: Stepper<State>,
  { prefix, tokens, times }: ExtendRun,
): Promise<number[]> {
  const state = await stepper.open()
  const ids = fixedIds(0, prefix + tokens)
  await stepper.extend([{ state, tokens: ids.subarray(0, prefix) }], { keep: 'append', logits: 'none' })
  const milliseconds: number[] = []
  for (let i = 0; i < times; i++) {
    const start = performance.now()
    await stepper.extend([{ state, tokens: ids.subarray(prefix) }], { keep: 'scratch', logits: 'all' })
    milliseconds.push(performance.now() - start)
    await stepper.commit(state, [])
  }
  await stepper.close(state)
  return milliseconds
}

/** Together in an engine, or one after another by the plain loop. */
async function serve<State extends StepperState>(stepper: Stepper<State>, { requests, rows }: ServeRun): Promise<ServedTimes> {
  const ids = async function* (stream: AsyncIterable<{ readonly token: number }>) {
    for await (const { token } of stream) yield token
  }
  const options = (maxTokens: number) => ({ maxTokens, temperature: 0 })
  if (rows === 1) return serveAll(requests, 1, (_, prompt, tokens) => ids(generate(stepper, prompt, options(tokens))))
  await using engine = openEngine(stepper, { maxRows: rows })
  // The engine has a queue of its own.
  return await serveAll(requests, requests.length, (_, prompt, tokens) => ids(engine.generate(prompt, options(tokens))))
}
