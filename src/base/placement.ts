/**
 * Where values of a checkpoint's tensor belong. Plain data, so that a file may be read piece by piece and rows of block-quantised
 * tensors be moved as they are. What is stated happens in this order: transposing, choosing rows, ordering them, adding.
 */
export interface Placement {
  /** The variable that gets them. */
  readonly name: string
  /** The file has `[inputs, outputs]`, the variable `[outputs, inputs]`. */
  readonly transpose?: true
  /** First row, and the row behind the last: of a tensor that holds several variables' rows one after another. Default: all. */
  readonly rows?: readonly [start: number, end: number]
  /** Row i of the variable is row order[i] of the chosen ones. */
  readonly order?: Uint32Array
  /** Added to every value. */
  readonly add?: number
}
