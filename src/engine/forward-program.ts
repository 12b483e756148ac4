import { tree } from '../base/visibility.ts'
import { compile, int32, reshape, type Tensor } from '../tensor/index.ts'
import { type Decoder, freshColumns } from './decoder-program.ts'
import type { StepperOptions } from './stepper-options.ts'

/** All slots of one sequence at once, with no cache: committed ones as a chain, scratch ones as a tree behind it. */
export function compileForward({ backbone, head }: Decoder, { device, frozen = true, taps = [] }: Partial<StepperOptions> = {}) {
  const inputs = { ids: int32(1, 'T'), position: int32(1, 'T'), enter: int32(1, 'T'), exit: int32(1, 'T') }
  return compile(
    inputs,
    ({ ids, position, enter, exit }) => {
      const columns = freshColumns({ position, enter, exit })
      const { hidden, layers } = backbone.forward({
        embedded: backbone.embed(ids, position),
        position,
        columns,
        visibility: tree,
      })
      const rows = reshape(hidden, [-1, backbone.width])
      const tapped = taps.map((layer) => [`tap.${layer}`, reshape(layers[layer]!, [-1, backbone.width])] as const)
      return { logits: head.logits(rows), hidden: rows, ...(Object.fromEntries(tapped) as Record<string, Tensor>) }
    },
    { ...(device && { device }), frozen, name: 'recompute' },
  )
}
