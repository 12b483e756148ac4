import type { StepperState } from '../decode/stepper.ts'

/** A state whose keys and values lie in a row of a stepper's cache. */
export class CachedState implements StepperState {
  length = 0
  /** Positions from here on, and those below `intact`, can be rewound to; what lay between was forgotten. */
  floor = 0
  intact = 0
  /** Parents of the scratch slots behind `length`; undefined when there are none. */
  scratch: readonly number[] | undefined
  closed = false
  readonly owner: object
  /** May change between calls: live rows are kept side by side. */
  row: number

  constructor(owner: object, row: number) {
    this.owner = owner
    this.row = row
  }

  /** Slots of the row that hold something. */
  get used(): number {
    return this.length + (this.scratch?.length ?? 0)
  }
}
