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
    const opened = await this.#open(scales)
    opened.running++
    try {
      yield* opened.sampler.sample({ ...request, options: this.#heldGuidance(request.options, scales) })
    } finally {
      opened.running--
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { sampler } of this.#opened.values()) await sampler[Symbol.asyncDispose]()
    this.#opened.clear()
  }

  async #open(scales: readonly ScaleSize[]): Promise<Opened> {
    const key = scales.map((size) => size.join('×')).join(' ')
    const found = this.#opened.get(key) ?? { sampler: this.#compiled(scales), running: 0 }
    // Moved to the end: the first ones are those unused for longest.
    this.#opened.delete(key)
    this.#opened.set(key, found)
    const idle = [...this.#opened].find(([other, { running }]) => other !== key && running === 0)
    if (this.#opened.size > mostOpen && idle !== undefined) {
      const [other, { sampler }] = idle
      this.#opened.delete(other)
      this.#earlierCalls += sampler.evaluations.backbone
      await sampler[Symbol.asyncDispose]()
    }
    return found
  }

  #compiled(scales: readonly ScaleSize[]): IdsSampler {
    const seen = new Set(gridsOf(this.#network.layout).map((size) => size.join('×')))
    return new IdsSampler(this.#network.at(scales), this.#device, ({ unseenTopK, ...options }, step) =>
      unseenTopK === undefined || seen.has(scales[step]!.join('×')) ? options : { ...options, topK: unseenTopK },
    )
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
