import { countValues } from '../../base/codes.ts'
import { elementCount } from '../../base/dtype.ts'
import type { Layout } from '../../base/model.ts'
import { normal, ResizablePositions } from '../../nn/index.ts'
import { add, concat, constant, gather, parameter, type Tensor, unsqueeze, type Variable } from '../../tensor/index.ts'

/** What tells slots of scales where they stand. */
export interface ScalePlaces {
  /** `[1, slot, width]`, for all slots of a layout. */
  forward(layout: Layout): Tensor
}

/** A learned vector for every slot of one layout, and one for every scale. Tian et al. 2024 (VAR). */
export class LearnedPlaces implements ScalePlaces {
  /** `[slot, width]`. */
  readonly slots: Variable
  /** `[scale, width]`. */
  readonly levels: Variable

  constructor({ parts }: Layout, width: number) {
    this.slots = parameter([countValues({ parts }), width], normal(0.02))
    this.levels = parameter([parts.length, width], normal(0.02))
  }

  forward({ parts }: Layout): Tensor {
    const levels = Int32Array.from(parts.flatMap(({ shape }, level) => Array<number>(elementCount(shape)).fill(level)))
    return unsqueeze(add(this.slots, gather(this.levels, constant(levels, [levels.length], 'int32'))), 0)
  }
}

/** One table that is resized to every grid, and nothing that tells scales apart: any grid will do. Jiao et al. 2025 (FlexVAR). */
export class ResizedPlaces implements ScalePlaces {
  readonly table: ResizablePositions

  constructor(width: number) {
    this.table = new ResizablePositions(width)
  }

  forward({ parts }: Layout): Tensor {
    const each = parts.map(({ shape: [height, width] }) => this.table.forward([height!, width!]))
    return unsqueeze(concat(each, 0), 0)
  }
}
