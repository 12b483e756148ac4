import type { Plan } from '../base/model.ts'
import { slotCoordinates } from '../base/slots.ts'
import { constant, type Inputs, type Tensor } from '../tensor/index.ts'
import type { SlotTransformer } from './slot-transformer.ts'
import type { BackboneOutput } from './transformer.ts'
import { constantColumns } from './visibility.ts'

export type Traced = Readonly<Record<string, Tensor>>

/** Slots as a network sees them before attention. */
export interface EmbeddedSlots {
  /** `[batch, slot, width]`, for every slot of the plan. */
  readonly embedded: Tensor
  /** `[batch, 1 or slot, condition]`. */
  readonly condition: Tensor
}

/**
 * A network over the slots of one plan. Training reads the plan whole (`planReadout`), generation step by step (`openPlanStepper`); both trace these
 * functions, so that they cannot differ.
 */
export interface PlanNetwork {
  readonly plan: Plan
  /** What it is fed, whatever the slots: sizes with the batch as the named size `B`. */
  readonly inputs: Inputs
  readonly backbone: SlotTransformer
  /** Embeddings of all slots of the plan; what a slot is embedded from must be known when its group is fed. */
  embed(inputs: Traced): EmbeddedSlots
  /** What is read at the hidden states of slots: logits, velocities. Each result is `[batch, slot, …]`. */
  readout(output: BackboneOutput): Traced
}

/** What is read at all slots at once, as in training. */
export function planReadout(network: PlanNetwork, inputs: Traced): Traced {
  const { plan } = network
  const slots = { position: planPositions(plan), columns: constantColumns(plan), visibility: plan.visibility }
  return network.readout(network.backbone.forward({ ...network.embed(inputs), ...slots }))
}

/** Coordinates of a plan's slots, int32 `[1, slot, axis]`. */
export function planPositions(plan: Plan): Tensor {
  return constant(slotCoordinates(plan), [1, plan.length, plan.position.length], 'int32')
}
