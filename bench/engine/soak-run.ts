import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import type { Stepper, StepperState } from 'nextx/decode'
import { type Engine, openEngine } from 'nextx/engine'
import type { Device } from 'nextx/platform'
import { uniformGenerator } from '../lib/random.ts'
import type { SoakFindings, SoakRun, SoakSample } from './arm.ts'
import { fixedIds } from './ids.ts'
import { logNormal } from './schedule.ts'

interface Tally {
  finished: number
  cancelled: number
  generated: number
  readonly failed: string[]
}

/** Requests that come at random, a little faster than they can be served, so that some always wait; a share of them is aborted. */
export async function soak<State extends StepperState>(
  stepper: Stepper<State>,
  device: Device,
  { seconds, rows, cancelled, seed }: SoakRun,
): Promise<SoakFindings> {
  await (await openSoakEngine(stepper, rows))[Symbol.asyncDispose]()
  const before = (await device.memory()).buffers
  const engine = await openSoakEngine(stepper, rows)
  const tally: Tally = { finished: 0, cancelled: 0, generated: 0, failed: [] }
  const samples: SoakSample[] = []
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const start = performance.now()
  const elapsed = () => (performance.now() - start) / 1e3
  const feeding = feed(engine, { tally, rows, cancelled, uniform: uniformGenerator(seed), going: () => elapsed() < seconds })
  while (elapsed() < seconds) {
    const { buffers, bytes } = await device.memory()
    const { running, waiting } = engine.stats().now
    samples.push({ at: elapsed(), resident: process.memoryUsage.rss(), buffers, bytes, requests: running + waiting })
    await setTimeout(Math.min(2000, seconds * 50))
  }
  await feeding
  delay.disable()
  const problems = engine.check()
  await engine[Symbol.asyncDispose]()
  const after = (await device.memory()).buffers
  const milliseconds = (nanoseconds: number) => nanoseconds / 1e6
  return {
    ...tally,
    samples,
    problems,
    delay: { median: milliseconds(delay.percentile(50)), p99: milliseconds(delay.percentile(99)), most: milliseconds(delay.max) },
    buffers: { before, after },
  }
}

/** One that has run all its rows once, so that what is made at first use is there. */
async function openSoakEngine<State extends StepperState>(stepper: Stepper<State>, rows: number): Promise<Engine> {
  const engine = openEngine(stepper, { maxRows: rows, prefixCache: { bytes: 2 ** 25 } })
  const streams = Array.from({ length: rows }, (_, row) => engine.generate(fixedIds(row, 8), { maxTokens: 4 }))
  await Promise.all(streams.map(read))
  return engine
}

async function read(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

interface Feeding {
  readonly tally: Tally
  readonly rows: number
  readonly cancelled: number
  readonly uniform: () => number
  going(): boolean
}

/** Keeps about twice as many requests on their way as there are rows; resolves when all are done. */
async function feed(engine: Engine, { tally, rows, cancelled, uniform, going }: Feeding): Promise<void> {
  const open = new Set<Promise<void>>()
  for (let index = 0; going(); index++) {
    const request = one(engine, tally, index, cancelled, uniform).finally(() => open.delete(request))
    open.add(request)
    if (open.size >= 2 * rows) await Promise.race(open)
    await setTimeout(-Math.log(uniform()) * 5)
  }
  await Promise.all(open)
}

async function one(engine: Engine, tally: Tally, index: number, cancelled: number, uniform: () => number): Promise<void> {
  const prompt = logNormal({ mean: 60, sigma: 1, most: 400 }, uniform)
  const maxTokens = logNormal({ mean: 30, sigma: 1, most: 200 }, uniform)
  const temperature = uniform() < 0.5 ? 0 : 0.8
  const priority = Math.floor(uniform() * 5) - 2
  const abort = new AbortController()
  // Half of those that are cancelled are left by their reader, half are aborted at some moment.
  const quits = uniform() < cancelled
  const leaves = quits && uniform() < 0.5
  const stopAt = Math.floor(uniform() * maxTokens)
  const timer = quits && !leaves ? globalThis.setTimeout(() => abort.abort(), uniform() * 500) : undefined
  try {
    let count = 0
    // A third of the prompts begin alike, so that the prefix cache has work.
    const stream = engine.generate(fixedIds(index % 3 === 0 ? 0 : index, prompt), {
      ...{ maxTokens, temperature, priority, seed: index, signal: abort.signal },
    })
    for await (const _ of stream) {
      tally.generated++
      if (leaves && count++ >= stopAt) break
    }
    if (leaves) tally.cancelled++
    else tally.finished++
  } catch (error) {
    if (abort.signal.aborted) tally.cancelled++
    else tally.failed.push(String(error))
  } finally {
    clearTimeout(timer)
  }
}
