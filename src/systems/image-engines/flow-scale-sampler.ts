import { OptionError } from '../../base/errors.ts'
import type { Step } from '../../base/model.ts'
import { combine, guidanceAt, guidanceWithin } from '../../decode/index.ts'
import { openPlanStepper, type PlanStepper } from '../../engine/index.ts'
import type { FlowHead } from '../../heads/index.ts'
import type { PlanNetwork } from '../../nn/index.ts'
import { predictionsOf, stepsOf } from '../../orders/index.ts'
import type { Device } from '../../platform/index.ts'
import { compile, float32, unsqueeze } from '../../tensor/index.ts'
import type { ImageSampler, SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import { Arms, type LabelTraits, twice } from './arms.ts'
import { givenWhole } from './given-values.ts'
import { type FlowSolver, flowSolver } from './solver.ts'
import { VectorDrawing } from './vector-drawing.ts'
import type { VectorTraits } from './vectors.ts'

/** A network whose readout `hidden` `[batch, slot, width]` a head turns into vectors, all slots of a group together. Inputs: `values` and `label`. */
export interface HiddenScaleNetwork extends PlanNetwork, LabelTraits, VectorTraits {
  readonly head: Pick<FlowHead, 'field'>
}

/** Runs the backbone once per scale, and the head of the scale as often as the solver asks for. */
export class FlowScaleSampler implements ImageSampler {
  readonly options = ['guidance', 'guidanceHigh', 'temperature', 'innerSteps', 'method'] as const
  readonly #network: HiddenScaleNetwork
  readonly #stepper: PlanStepper
  readonly #head: ReturnType<typeof compileHead>
  readonly #steps: readonly Step[]
  #headCalls = 0

  constructor(network: HiddenScaleNetwork, device: Device) {
    this.#network = network
    this.#stepper = openPlanStepper(network, device)
    this.#head = compileHead(network, device)
    this.#steps = stepsOf(network.plan)
  }

  get evaluations() {
    return { backbone: this.#stepper.calls, head: this.#headCalls }
  }

  async *sample(request: SampleRequest): AsyncGenerator<SampleStep, void, undefined> {
    const { options, signal } = request
    const arms = new Arms(this.#network, request)
    const drawing = new VectorDrawing(this.#network, request)
    const solver = flowSolver(options, signal)
    const guidance = guidanceOf(options)
    const whole = givenWhole(request)
    if (whole !== undefined) {
      yield whole
      return
    }
    await this.#stepper.begin(arms.rows)
    const steps = this.#steps.length
    for (const [k, { feed, predict, commit }] of this.#steps.entries()) {
      signal?.throwIfAborted()
      const feeds = { values: arms.doubled(drawing.values), label: arms.labels }
      const { hidden } = await this.#stepper.step(feeds, feed, { commit: commit.end > commit.start })
      const { values } = predictionsOf(this.#network.plan, predict)
      const scaleAt = (time: number) => (arms.rows > arms.count ? guidance(k, steps, time) : 1)
      if (!drawing.knows(values)) await this.#flow({ k, values, hidden: hidden!, scaleAt }, drawing, solver)
      yield { step: k + 1, steps, ...drawing.report() }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stepper[Symbol.asyncDispose]()
    await this.#head.dispose()
  }

  /** Settles the values of a scale. */
  async #flow({ k, values, hidden, scaleAt }: ScaleOnItsWay, drawing: VectorDrawing, solver: FlowSolver): Promise<void> {
    const arms = hidden.length / (drawing.count * values.length * this.#network.backbone.width)
    const field = async (rows: Float32Array, time: number) => {
      const noised = drawing.mixed(values, rows, time)
      const scale = scaleAt(time)
      // Where guidance does not count, the arm with the condition is enough.
      if (scale === 1) return this.#velocity(noised, hidden.subarray(0, hidden.length / arms), time, values.length)
      const said = await this.#velocity(twice(noised), hidden, time, values.length)
      return combine(said.subarray(0, noised.length), said.subarray(noised.length), scale, 'velocity')
    }
    drawing.settle(values, await solver.solve(field, drawing.noiseAt(values), k, this.#steps.length))
  }

  /** Of `slots` places of every row. */
  async #velocity(values: Float32Array, hidden: Float32Array, time: number, slots: number): Promise<Float32Array> {
    const { dimension, backbone } = this.#network
    const shaped = (data: Float32Array, width: number) =>
      ({ dtype: 'float32', shape: [data.length / (slots * width), slots, width], data }) as const
    this.#headCalls++
    const { velocity } = await this.#head.run({
      values: shaped(values, dimension),
      hidden: shaped(hidden, backbone.width),
      time: Float32Array.of(time),
    })
    return velocity.data as Float32Array
  }
}

interface ScaleOnItsWay {
  /** From 0. */
  readonly k: number
  readonly values: Int32Array
  /** `[arm·sample, value, width]`. */
  readonly hidden: Float32Array
  /** How much the condition counts at a time. */
  readonly scaleAt: (time: number) => number
}

/** How much the condition counts at step `k` of `steps` and a time. Throws OptionError on an upper end outside [0, 1], or of no guidance. */
function guidanceOf({ guidance, guidanceHigh }: SampleOptions): (k: number, steps: number, time: number) => number {
  if ((guidance === undefined || guidance === 1) && guidanceHigh !== undefined)
    throw new OptionError('guidanceHigh without guidance', { fix: 'give guidance too, or neither' })
  const high = guidanceHigh ?? 0.9
  guidanceWithin(1, 0, { high })
  return (k, steps, time) => guidanceWithin(guidanceAt(guidance ?? 1, k, steps), time, { high })
}

function compileHead({ head, dimension, backbone: { width } }: HiddenScaleNetwork, device: Device) {
  const inputs = { values: float32('N', 'S', dimension), hidden: float32('N', 'S', width), time: float32(1) }
  return compile(inputs, ({ values, hidden, time }) => ({ velocity: head.field(values, unsqueeze(time, 0), hidden) }), {
    device,
    frozen: true,
    name: 'scale-head',
  })
}
