import { ShapeError } from '../base/errors.ts'
import { type Bindings, type Dimension, evaluateDimension, SymbolicDimension, subtractDimensions } from './dimension.ts'
import type { PadAttributes, SliceAttributes } from './ops/layout.ts'
import { siteLine } from './site.ts'
import type { Tensor } from './tensor.ts'

/** A size that tracing had to trust: it must not be negative once its names are bound. */
export interface SizeCheck {
  readonly size: SymbolicDimension
  readonly node: Tensor
}

/** What a run must check before it starts: sizes that are differences, and the ends of slices and paddings. Each once. */
export function sizeChecks(order: readonly Tensor[]): SizeCheck[] {
  const checks = new Map<string, SizeCheck>()
  for (const node of order) {
    for (const size of [...node.shape, ...boundsOf(node)])
      if (size instanceof SymbolicDimension && couldBeNegative(size)) checks.set(size.toString(), { size, node })
  }
  return [...checks.values()]
}

function boundsOf({ op, inputs, attributes }: Tensor): Dimension[] {
  if (op.name === 'slice') {
    const { axis, start, end } = attributes as SliceAttributes
    return [start, subtractDimensions(inputs[0]!.shape[axis]!, end)]
  }
  if (op.name === 'pad') {
    const { before, after } = attributes as PadAttributes
    return [before, after]
  }
  return []
}

function couldBeNegative({ terms }: SymbolicDimension): boolean {
  return [...terms.values()].some((factor) => factor < 0)
}

/** Throws ShapeError naming the op and the line whose sizes do not work out. */
export function checkSizes(checks: readonly SizeCheck[], bindings: Bindings): void {
  for (const { size, node } of checks) {
    const value = evaluateDimension(size, bindings)
    if (value >= 0) continue
    const sizes = [...bindings].map(([name, bound]) => `${name}=${bound}`).join(', ')
    throw new ShapeError(`${node.op.name} at ${siteLine(node.site) ?? 'an unknown line'}: ${size} is ${value} with ${sizes}`, {
      expected: 'sizes ≥ 0',
    })
  }
}
