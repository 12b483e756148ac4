import { OptionError } from '../../base/errors.ts'
import type { Device } from '../../platform/index.ts'
import type { GuidanceScale, ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import type { FlexibleScaleNetwork } from './flexible-scale-network.ts'
import { IdsSampler } from './ids-sampler.ts'
import { gridsOf, type ScaleSize, scheduleOf } from './scale-schedule.ts'

/** Most schedules that are kept compiled. */
const mostOpen = 8

interface Opened {
  readonly sampler: IdsSampler
  running: number
}

/** Generates on any schedule: a compiled network for each, made when it is first asked for. */
export class FlexibleSampler implements ImageSampler {
  readonly options = ['guidance', 'temperature', 'topK', 'topP', 'schedule', 'size', 'unseenTopK'] as const
  readonly #network: FlexibleScaleNetwork
  readonly #device: Device
  readonly #opened = new Map<string, Opened>()
  #earlierCalls = 0

  constructor(network: FlexibleScaleNetwork, device: Device) {
    this.#network = network
    this.#device = device
  }

  get evaluations() {
    const calls = [...this.#opened.values()].reduce((sum, { sampler }) => sum + sampler.evaluations.backbone, 0)
    return { backbone: this.#earlierCalls + calls, head: 0 }
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep, void, undefined> {
    const scales = scheduleOf(this.#network.layout, request.options)
    const opened = this.#open(scales, request.options)
    try {
      await this.#closeIdle()
      yield* opened.sampler.sample({ ...request, options: this.#heldGuidance(request.options, scales) })
    } finally {
      opened.running--
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { sampler } of this.#opened.values()) await sampler[Symbol.asyncDispose]()
    this.#opened.clear()
  }

  /** Marked as running before anything is waited for: another call must not close what this one is about to use. */
  #open(scales: readonly ScaleSize[], { unseenTopK }: SampleOptions): Opened {
    const unseen = this.#unseen(scales)
    if (unseenTopK !== undefined && !unseen.includes(true)) {
      throw new OptionError('unseenTopK of a schedule whose scales training saw, all of them', {
        expected: 'a schedule or size with others',
        fix: 'leave unseenTopK out, or give topK',
      })
    }
    const key = scales.map((size) => size.join('×')).join(' ')
    const found = this.#opened.get(key) ?? { sampler: this.#compiled(scales, unseen), running: 0 }
    // Moved to the end: the first ones are those unused for longest.
    this.#opened.delete(key)
    this.#opened.set(key, found)
    found.running++
    return found
  }

  /** Closes those unused for longest, as far as they are too many. */
  async #closeIdle(): Promise<void> {
    const idle = [...this.#opened].filter(([, { running }]) => running === 0)
    const closed = idle.slice(0, Math.max(0, this.#opened.size - mostOpen))
    for (const [key, { sampler }] of closed) {
      this.#opened.delete(key)
      this.#earlierCalls += sampler.evaluations.backbone
    }
    for (const [, { sampler }] of closed) await sampler[Symbol.asyncDispose]()
  }

  #compiled(scales: readonly ScaleSize[], unseen: readonly boolean[]): IdsSampler {
    return new IdsSampler(this.#network.at(scales), this.#device, ({ unseenTopK, ...options }, step) =>
      unseenTopK === undefined || !unseen[step]! ? options : { ...options, topK: unseenTopK },
    )
  }

  /** Whether training never saw a scale. */
  #unseen(scales: readonly ScaleSize[]): boolean[] {
    const seen = new Set(gridsOf(this.#network.layout).map((size) => size.join('×')))
    return scales.map((size) => !seen.has(size.join('×')))
  }

  /** A ramp of guidance stays where it is beyond the size that training had. */
  #heldGuidance(options: SampleOptions, scales: readonly ScaleSize[]): SampleOptions {
    const { guidance } = options
    if (typeof guidance !== 'function') return options
    const [height, width] = gridsOf(this.#network.layout).at(-1)!
    const within = Math.max(1, scales.filter(([y, x]) => y <= height && x <= width).length)
    const held: GuidanceScale = (step) => guidance(Math.min(step, within - 1), within)
    return { ...options, guidance: held }
  }
}
