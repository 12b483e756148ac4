import * as tf from '@tensorflow/tfjs-core'
import type { ModelSpec } from './model-spec.ts'

// The library's own gradients multiply with transpose flags, which leave XNNPACK; the operations here carry gradients that do not.

/** x [rows, in] · w [in, out]. */
export function matMul(x: tf.Tensor2D, w: tf.Tensor2D): tf.Tensor2D {
  return tf.customGrad((left, right, save) => {
    const [a, b] = [left as tf.Tensor2D, right as tf.Tensor2D]
    ;(save as tf.GradSaveFunc)([a, b])
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [savedX, savedW, dOut] = [saved[0] as tf.Tensor2D, saved[1] as tf.Tensor2D, dy as tf.Tensor2D]
      const dx = tf.matMul(dOut, tf.transpose(savedW))
      // XNNPACK packs its right operand: let that be the narrower of the two long matrices.
      const dw =
        savedX.shape[1] >= dOut.shape[1]
          ? tf.matMul(tf.transpose(savedX), dOut)
          : tf.transpose(tf.matMul(tf.transpose(dOut), savedX))
      return [dx, dw]
    }
    return { value: tf.matMul(a, b), gradFunc }
  })(x, w) as tf.Tensor2D
}

/** Rows of the table [vocabulary, width], each with its position's [context, width] added; one-hot products beat the library's gather. */
export function embed(ids: Int32Array, table: tf.Tensor2D, positions: tf.Tensor2D): tf.Tensor2D {
  const [context, width] = positions.shape
  const batch = ids.length / context
  const hits = oneHot(ids, table.shape[0])
  return tf.customGrad((rows, places, save) => {
    ;(save as tf.GradSaveFunc)([hits])
    const placed = tf.add(tf.reshape(tf.matMul(hits, rows as tf.Tensor2D), [batch, context, width]), places as tf.Tensor)
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => [
      tf.matMul(tf.transpose(saved[0] as tf.Tensor2D), dy as tf.Tensor2D),
      // Not a product with ones: the backend keeps one packed operand per buffer, whatever its shape, and dy has just been one.
      tf.sum(tf.reshape(dy, [batch, context, width]), 0),
    ]
    return { value: tf.reshape(placed, [batch * context, width]), gradFunc }
  })(table, positions) as tf.Tensor2D
}

export function add(x: tf.Tensor2D, y: tf.Tensor2D): tf.Tensor2D {
  return tf.customGrad((left, right) => {
    return { value: tf.add(left as tf.Tensor, right as tf.Tensor), gradFunc: (dy: tf.Tensor) => [dy, dy] }
  })(x, y) as tf.Tensor2D
}

// With dtype float32 the wasm kernel of 4.22.0 writes the bits of integers: cast instead.
function oneHot(ids: Int32Array, classes: number): tf.Tensor2D {
  return tf.cast(tf.oneHot(tf.tensor1d(ids, 'int32'), classes), 'float32') as tf.Tensor2D
}

// As a product with ones: the library's own sum over rows is ten times slower.
function sumRows(x: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(tf.ones([1, x.shape[0]]), x)
}

/** x [rows, width] normalised along its rows, times weight [width]. */
export function layerNorm(x: tf.Tensor2D, weight: tf.Tensor, epsilon: number): tf.Tensor2D {
  return tf.customGrad((input, gain, save) => {
    const centred = tf.sub(input as tf.Tensor, tf.mean(input as tf.Tensor, -1, true))
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon))
    const normed = tf.mul(centred, inverse)
    ;(save as tf.GradSaveFunc)([normed, inverse, gain as tf.Tensor])
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => layerNormGradient(dy, saved[0]!, saved[1]!, saved[2]!)
    return { value: tf.mul(normed, gain as tf.Tensor), gradFunc }
  })(x, weight) as tf.Tensor2D
}

function layerNormGradient(dy: tf.Tensor, normed: tf.Tensor, inverse: tf.Tensor, gain: tf.Tensor): tf.Tensor[] {
  const product = tf.mul(dy, normed) as tf.Tensor2D
  const dGain = tf.reshape(sumRows(product), gain.shape)
  const scaled = tf.mul(dy, gain)
  const along = tf.mul(normed, tf.mean(tf.mul(product, gain), -1, true))
  const dx = tf.mul(tf.sub(tf.sub(scaled, tf.mean(scaled, -1, true)), along), inverse)
  return [dx, dGain]
}

/** x · Φ(x), exact. */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  return tf.customGrad((input, save) => {
    const z = input as tf.Tensor
    const below = tf.add(tf.mul(tf.erf(tf.mul(z, Math.SQRT1_2)), 0.5), 0.5)
    ;(save as tf.GradSaveFunc)([z, below])
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const density = tf.mul(tf.exp(tf.mul(tf.square(saved[0]!), -0.5)), 1 / Math.sqrt(2 * Math.PI))
      return tf.mul(dy, tf.add(saved[1]!, tf.mul(saved[0]!, density)))
    }
    return { value: tf.mul(z, below), gradFunc }
  })(x) as tf.Tensor2D
}

/** Mean negative log probability of the targets under logits [rows, vocabulary]. */
export function crossEntropy(logits: tf.Tensor2D, targets: Int32Array): tf.Scalar {
  const hits = oneHot(targets, logits.shape[1])
  return tf.customGrad((scores, save) => {
    const logProbs = tf.logSoftmax(scores as tf.Tensor)
    ;(save as tf.GradSaveFunc)([logProbs, hits])
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) =>
      tf.mul(tf.sub(tf.exp(saved[0]!), saved[1]!), tf.mul(dy, 1 / targets.length))
    return { value: tf.mul(tf.sum(tf.mul(logProbs, hits)), -1 / targets.length) as tf.Scalar, gradFunc }
  })(logits) as tf.Scalar
}

/**
 * q, k, v and the answer are [batch * context, width]. XNNPACK takes one matrix at a time, so each head of each sequence is a tensor
 * of its own (128 of them): three to four times faster than the library's batched product.
 */
export function attention(spec: ModelSpec, q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D, mask: tf.Tensor2D): tf.Tensor2D {
  return tf.customGrad((queries, keys, values, save) => {
    const scaled = tf.mul(queries as tf.Tensor, 1 / Math.sqrt(spec.width / spec.heads)) as tf.Tensor2D
    const [qHeads, kHeads, vHeads] = [
      rowHeads(spec, scaled),
      columnHeads(spec, keys as tf.Tensor2D),
      rowHeads(spec, values as tf.Tensor2D),
    ]
    const shares = qHeads.map((head, i) => tf.softmax(tf.add(tf.matMul(head, kHeads[i]!), mask) as tf.Tensor2D))
    const value = joinRows(
      spec,
      shares.map((share, i) => tf.matMul(share, vHeads[i]!)),
    )
    ;(save as tf.GradSaveFunc)([scaled, keys as tf.Tensor, values as tf.Tensor, value, ...shares])
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => attentionGradient(spec, dy as tf.Tensor2D, saved as tf.Tensor2D[])
    return { value, gradFunc }
  })(q, k, v) as tf.Tensor2D
}

function attentionGradient(spec: ModelSpec, dOut: tf.Tensor2D, saved: tf.Tensor2D[]): tf.Tensor[] {
  const [scaled, keys, values, out, ...shares] = saved
  const { batch, context, heads, width } = spec
  const dRows = rowHeads(spec, dOut)
  const dColumns = columnHeads(spec, dOut)
  const qColumns = columnHeads(spec, scaled!)
  const kRows = rowHeads(spec, keys!)
  const vColumns = columnHeads(spec, values!)
  // Σ over keys of p ∘ dp, which is the sum over channels of o ∘ do.
  const sums = tf.sum(tf.reshape(tf.mul(dOut, out!), [batch, context, heads, width / heads]), -1)
  const offsets = pieces(tf.transpose(sums, [0, 2, 1]), [context, 1])
  const dScores = shares.map((share, i) => tf.mul(share, tf.sub(tf.matMul(dRows[i]!, vColumns[i]!), offsets[i]!)) as tf.Tensor2D)
  const dq = joinRows(
    spec,
    dScores.map((dScore, i) => tf.matMul(dScore, kRows[i]!)),
  )
  const dk = joinColumns(
    spec,
    dScores.map((dScore, i) => tf.matMul(qColumns[i]!, dScore)),
  )
  const dv = joinColumns(
    spec,
    shares.map((share, i) => tf.matMul(dColumns[i]!, share)),
  )
  return [tf.mul(dq, 1 / Math.sqrt(width / heads)), dk, dv]
}

/** [batch * context, width] → batch · heads of [context, width / heads]. */
function rowHeads(spec: ModelSpec, x: tf.Tensor2D): tf.Tensor2D[] {
  const headWidth = spec.width / spec.heads
  const apart = tf.reshape(x, [spec.batch, spec.context, spec.heads, headWidth])
  return pieces(tf.transpose(apart, [0, 2, 1, 3]), [spec.context, headWidth])
}

/** [batch * context, width] → batch · heads of [width / heads, context]. */
function columnHeads(spec: ModelSpec, x: tf.Tensor2D): tf.Tensor2D[] {
  const headWidth = spec.width / spec.heads
  const apart = tf.reshape(x, [spec.batch, spec.context, spec.heads, headWidth])
  return pieces(tf.transpose(apart, [0, 2, 3, 1]), [headWidth, spec.context])
}

// Slicing would copy the whole tensor once per slice; reading it once does not.
function pieces(x: tf.Tensor, shape: [number, number]): tf.Tensor2D[] {
  const size = shape[0] * shape[1]
  const values = x.dataSync<'float32'>()
  return Array.from({ length: values.length / size }, (_, i) => tf.tensor2d(values.subarray(i * size, (i + 1) * size), shape))
}

function joinRows(spec: ModelSpec, parts: tf.Tensor2D[]): tf.Tensor2D {
  const { batch, context, heads, width } = spec
  const together = tf.reshape(tf.concat(parts), [batch, heads, context, width / heads])
  return tf.reshape(tf.transpose(together, [0, 2, 1, 3]), [batch * context, width])
}

function joinColumns(spec: ModelSpec, parts: tf.Tensor2D[]): tf.Tensor2D {
  const { batch, context, heads, width } = spec
  const together = tf.reshape(tf.concat(parts), [batch, heads, width / heads, context])
  return tf.reshape(tf.transpose(together, [0, 3, 1, 2]), [batch * context, width])
}
