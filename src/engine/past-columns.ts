import { roles } from '../base/slots.ts'
import type { Slots } from '../nn/attention.ts'
import { expand, scalar, type Tensor } from '../tensor/index.ts'

/** A column no query compares as an ancestor: past slots are seen because they are committed. */
const nowhere = { enter: 2 ** 30, exit: -1, parent: -1 }

/** Columns of committed slots, which stand at the index of their position; `places` is int32 `[1, slot]`. */
export function pastColumns(places: Tensor): Slots['columns'] {
  const everywhere = (value: number) => expand(scalar(value, 'int32'), places.shape)
  return {
    group: places,
    position0: places,
    enter: everywhere(nowhere.enter),
    exit: everywhere(nowhere.exit),
    parent: everywhere(nowhere.parent),
    role: everywhere(roles.clean),
    segment: everywhere(0),
  }
}
