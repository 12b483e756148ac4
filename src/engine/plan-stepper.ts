import type { HostTensor } from '../base/dtype.ts'
import { OptionError } from '../base/errors.ts'
import type { Plan, SlotRange } from '../base/model.ts'
import { SerialQueue } from '../base/serial.ts'
import { slotCoordinates } from '../base/slots.ts'
import { type Column, columnOf } from '../base/visibility.ts'
import type { AttentionTraits } from '../nn/attention.ts'
import type { PlanNetwork } from '../nn/plan-network.ts'
import type { Device } from '../platform/device.ts'
import {
  assignRows,
  compile,
  constant,
  expand,
  type FeedValue,
  gather,
  int32,
  scalar,
  slice,
  symbol,
  type Tensor,
  type Variable,
  variable,
} from '../tensor/index.ts'

type Feeds = Readonly<Record<string, FeedValue>>

/** Float outputs `[batch, slot, …]` of the slots that were fed. */
export type PlanOutputs = Readonly<Record<string, Float32Array>>

/**
 * Runs a network over one plan for a batch of samples: slots are fed in any order that their visibility allows, and see themselves and what was
 * committed before. What a sample computes never depends on its company.
 */
export interface PlanStepper extends AsyncDisposable {
  /** Forgets all slots; the next ones are of `batch` samples. */
  begin(batch: number): Promise<void>
  /**
   * Feeds the slots of a range. With `commit` they are kept, to be seen by later ones. `feeds` are the network's inputs, of the batch's size.
   * Throws OptionError before `begin`, and when a slot was committed already.
   */
  step(feeds: Feeds, slots: SlotRange, options: { readonly commit: boolean }): Promise<PlanOutputs>
  /** How often the network was run. */
  readonly calls: number
}

/** Compiles a network for stepping, with the weights of this moment. */
export function openPlanStepper(network: PlanNetwork, device: Device): PlanStepper {
  return new CompiledPlanStepper(network, device)
}

interface LayerCache {
  readonly key: Variable
  readonly value: Variable
}

class CompiledPlanStepper implements PlanStepper {
  readonly #plan: Plan
  readonly #caches: readonly LayerCache[]
  readonly #program: ReturnType<typeof compileSteps>
  readonly #turn = new SerialQueue()
  #committed: number[] = []
  #batch = 0
  #calls = 0

  constructor(network: PlanNetwork, device: Device) {
    this.#plan = network.plan
    this.#caches = network.backbone.layers.map(({ self_attn: { traits } }, layer) => cacheOf(traits, layer, network.plan))
    this.#program = compileSteps(network, this.#caches, device)
  }

  get calls(): number {
    return this.#calls
  }

  begin(batch: number): Promise<void> {
    if (!Number.isSafeInteger(batch) || batch < 1) throw new OptionError(`batch is ${batch}`, { expected: 'an integer ≥ 1' })
    return this.#turn.run(async () => {
      this.#committed = []
      if (batch === this.#batch) return
      for (const cached of this.#caches.flatMap(({ key, value }) => [key, value])) {
        const [, heads, capacity, width] = cached.shape as readonly number[]
        const shape = [batch, heads!, capacity!, width!]
        await cached.write(new Float32Array(shape.reduce((size, length) => size * length, 1)), shape)
      }
      this.#batch = batch
    })
  }

  step(feeds: Feeds, { start, end }: SlotRange, { commit }: { readonly commit: boolean }): Promise<PlanOutputs> {
    return this.#turn.run(async () => {
      this.#check(start, end)
      const slots = Int32Array.from({ length: end - start }, (_, i) => start + i)
      const batch = this.#batch
      const placed = {
        fed: slots,
        cached: Int32Array.from(this.#committed),
        start: new Int32Array(batch).fill(this.#committed.length),
        count: new Int32Array(batch).fill(commit ? slots.length : 0),
      }
      this.#calls++
      const outputs: Readonly<Record<string, HostTensor>> = await this.#program.run({ ...feeds, ...placed })
      if (commit) this.#committed.push(...slots)
      return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.dispose()
    for (const { key, value } of this.#caches) {
      await key.dispose()
      await value.dispose()
    }
  }

  #check(start: number, end: number): void {
    if (this.#batch === 0) throw new OptionError('no batch has begun', { fix: 'call begin(batch)' })
    if (!(start >= 0 && start < end && end <= this.#plan.length))
      throw new OptionError(`slots ${start} to ${end}`, { expected: `a range of the plan's ${this.#plan.length}` })
    const again = this.#committed.find((slot) => slot >= start && slot < end)
    if (again !== undefined)
      throw new OptionError(`slot ${again} is committed already`, { fix: 'feed later slots, or begin again' })
  }
}

/** Keys or values of one layer: `[batch, kvHead, slot of the plan, headWidth]`. */
function cacheOf({ keyValueHeads, headWidth }: AttentionTraits, layer: number, { length }: Plan): LayerCache {
  const make = (kind: string) => variable({ name: `cache.${layer}.${kind}`, shape: ['B', keyValueHeads, length, headWidth] })
  return { key: make('key'), value: make('value') }
}

function compileSteps(network: PlanNetwork, caches: readonly LayerCache[], device: Device) {
  const { plan, backbone } = network
  const own = { fed: int32('T'), cached: int32('P'), start: int32('B'), count: int32('B') }
  const taken = Object.keys(own).find((name) => Object.hasOwn(network.inputs, name))
  if (taken !== undefined) throw new OptionError(`the network has an input ${taken}`, { expected: 'another name' })
  return compile(
    { ...network.inputs, ...own },
    ({ fed, cached, start, count, ...inputs }) => {
      const { embedded, condition } = network.embed(inputs)
      const past = {
        kind: 'plain' as const,
        columns: columnsAt(plan, cached),
        valid: expand(scalar(1, 'bool'), [1, cached.shape[0]!]),
        layers: caches.map(({ key, value }) => ({ key: firstSlots(key), value: firstSlots(value) })),
      }
      const output = backbone.forward({
        embedded: gather(embedded, fed, 1),
        condition: condition.shape[1] === 1 ? condition : gather(condition, fed, 1),
        position: positionsAt(plan, fed),
        columns: columnsAt(plan, fed),
        visibility: plan.visibility,
        past,
      })
      const kept = caches.flatMap(({ key, value }, layer) => [
        assignRows(key, output.added[layer]!.key, 2, start, count),
        assignRows(value, output.added[layer]!.value, 2, start, count),
      ])
      return { ...network.readout(output), kept }
    },
    { device, frozen: true, name: 'plan' },
  )
}

/** The slots committed so far, in the order in which they came. */
function firstSlots(cache: Variable): Tensor {
  return slice(cache, 2, 0, symbol('P'))
}

/** Columns of the slots of these indices, int32 `[1, slot]`. */
function columnsAt(plan: Plan, slots: Tensor): Readonly<Partial<Record<Column, Tensor>>> {
  const axes = plan.position.map((_, axis): Column => `position${axis}`)
  const names: Column[] = ['role', 'group', 'segment', 'parent', 'enter', 'exit', ...axes]
  const entries = names.map((name) => {
    const all = constant(Int32Array.from(columnOf(plan, name)), [1, plan.length], 'int32')
    return [name, gather(all, slots, 1)] as const
  })
  return Object.fromEntries(entries)
}

/** Coordinates of the slots of these indices, int32 `[1, slot, axis]`. */
function positionsAt(plan: Plan, slots: Tensor): Tensor {
  return gather(constant(slotCoordinates(plan), [1, plan.length, plan.position.length], 'int32'), slots, 1)
}
