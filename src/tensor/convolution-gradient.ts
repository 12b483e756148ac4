import { type Dimension, divideDimensions } from './dimension.ts'
import { type ConvolutionAttributes, convolve } from './ops/convolution.ts'
import { reshape, slice, transpose } from './ops/layout.ts'
import type { Tensor } from './tensor.ts'

/**
 * ∂/∂w of a convolution: the convolution of its input with its result's gradient, batch and channels changing places, strides and
 * dilations too. input `[batch, channel, …space]`, gradient `[batch, output, …space]`, w `[output, channel / groups, …kernel]`.
 */
export function convolutionWeightGradient(input: Tensor, gradient: Tensor, w: Tensor, attributes: ConvolutionAttributes): Tensor {
  const { strides, dilations, groups } = attributes
  const swapped = { ...attributes, strides: dilations, dilations: strides }
  const products = convolve(groupsToBatch(input, groups), swapFirstTwo(gradient), swapped)
  // Strides may have left out the end of the input: positions beyond the kernel belong to no weight.
  const kernel = w.shape.slice(2)
  const cut = kernel.reduce<Tensor>((tensor, size, i) => slice(tensor, i + 2, 0, size), products)
  return swapFirstTwo(cut)
}

/** `[batch, group·channel, …]` → `[channel, group·batch, …]`. */
function groupsToBatch(x: Tensor, groups: number): Tensor {
  const [batch, channels, ...space] = x.shape as [Dimension, Dimension, ...Dimension[]]
  const perGroup = divideDimensions(channels, groups)!
  const parts = reshape(x, [batch, groups, perGroup, ...space])
  const turned = transpose(parts, [2, 1, 0, ...space.map((_, i) => i + 3)])
  return reshape(turned, [perGroup, -1, ...space])
}

function swapFirstTwo(x: Tensor): Tensor {
  return transpose(x, [1, 0, ...x.shape.slice(2).map((_, i) => i + 2)])
}
