import { OptionError, ShapeError } from '../base/errors.ts'
import { roles, sources } from '../base/model.ts'
import { refuseUnknown } from '../base/options.ts'
import { everything } from '../base/visibility.ts'
import { layOut } from './lay-out.ts'
import type { Order } from './order.ts'
import { planOf, upTo } from './slot-list.ts'

export interface MaskedOptions {
  /** One entry per value: 1 or true where it is given. Nothing is given when absent. */
  readonly known?: ArrayLike<number | boolean>
}

/**
 * Masked sets: some values are given, all others are predicted at once by slots fed with the mask token; every slot sees every slot.
 * Slot i stands for value i, whatever is given, so that one program serves all masks. Training draws what is given (`maskRate`,
 * `chooseKnown`); decoding makes one such plan per step, in which more and more is given (`maskSchedule`).
 * Throws OptionError when `known` holds anything but 0 and 1; `plan` throws ShapeError when it has not one entry per value, or gives all.
 * Source: MaskGIT, arXiv:2202.04200; MAR, arXiv:2406.11838.
 * @example
 * masked({ known: [0, 1, 0] }).plan({ parts: [{ shape: [3] }] }).target // 0, none, 2
 */
export function masked(options: MaskedOptions = {}): Order {
  refuseUnknown(options, ['known'], 'masked')
  const { known } = options
  const given = known === undefined ? undefined : readKnown(known)
  return {
    name: given === undefined ? 'masked' : `masked(${given.reduce((sum, bit) => sum + bit, 0)} of ${given.length} given)`,
    plan(layout) {
      const { count, position } = layOut(layout)
      if (given !== undefined) checkKnown(given, count)
      const slots = upTo(count).map((value) =>
        given?.[value]
          ? { role: 'clean' as const, group: 0, place: value, source: value, target: -1 }
          : { role: 'mask' as const, group: 1, place: value, source: sources.maskToken, target: value },
      )
      return planOf(slots, position, everything)
    },
  }
}

/**
 * Everything at once: one slot per value, fed with a learned query instead of a value, and all see all.
 * @example
 * oneShot().plan({ parts: [{ shape: [3] }] }).target // 0, 1, 2
 */
export function oneShot(): Order {
  return {
    name: 'oneShot',
    plan(layout) {
      const plan = masked().plan(layout)
      return { ...plan, role: plan.role.fill(roles.query), source: plan.source.fill(sources.query) }
    },
  }
}

function readKnown(known: ArrayLike<number | boolean>): Uint8Array {
  const bits = Array.from(known, Number)
  const odd = bits.findIndex((bit) => bit !== 0 && bit !== 1)
  if (odd >= 0)
    throw new OptionError(`known[${odd}] is ${String(known[odd])}`, { expected: '1 or true where a value is given, else 0' })
  return Uint8Array.from(bits)
}

function checkKnown(known: Uint8Array, count: number): void {
  if (known.length !== count) throw new ShapeError(`known has ${known.length} entries`, { expected: `${count}, one per value` })
  if (!known.includes(0)) throw new ShapeError('all values are given', { expected: 'at least one to predict' })
}
