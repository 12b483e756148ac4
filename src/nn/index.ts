export { AdaptiveBlock, type AdaptiveBlockParts, AdaptiveNorm } from './adaptive-block.ts'
export { type AttendOptions, attend } from './attend.ts'
export { attendSlots } from './attend-slots.ts'
export {
  type Attended,
  Attention,
  type AttentionCall,
  type AttentionOptions,
  type AttentionTraits,
  type KeyValues,
  type Past,
  type Projected,
  type Slots,
  sliding,
  visibilityBias,
} from './attention.ts'
export { type AutoCorrelationOptions, autoCorrelationMixing } from './auto-correlation.ts'
export { bandMatrix, bandResizeMatrix } from './bands.ts'
export { type Block, type BlockParts, parallel, postnorm, prenorm, type Residual, sandwich } from './block.ts'
export { CodeEmbedding } from './code-embedding.ts'
export {
  Companion,
  type CompanionOperands,
  type CompanionOptions,
  companionKernel,
  companionMatrix,
  normalizedColumn,
} from './companion.ts'
export { Conv2d, type Conv2dOptions } from './convolution.ts'
export { Diagonal, type DiagonalOptions } from './diagonal.ts'
export { embedSlots, type SlotSources } from './embed-slots.ts'
export { Embedding } from './embedding.ts'
export { Gate } from './gate.ts'
export { type Compensated, type CompensateOptions, compensateWeights } from './gptq.ts'
export { GroupNorm, type GroupNormOptions } from './group-norm.ts'
export { canGrow, type GrowingPast } from './growing.ts'
export { HeadMixer, type HeadMixerOptions, type Mixing, softmaxMixing } from './head-mixer.ts'
export type { Calibration } from './hessians.ts'
export { fanInUniform, glorotUniform, heNormal, logUniform, normal, ones, uniform, zeros } from './initializers.ts'
export { Linear, type LinearOptions, linear } from './linear.ts'
export { linearScan, type ScanOptions } from './linear-scan.ts'
export {
  type ClosedLoop,
  closedLoop,
  finalState,
  kernelByPowers,
  type LinearSystem,
  rowPowers,
  type StateSpace,
} from './linear-system.ts'
export { type LongConvolutionOptions, longConvolution } from './long-convolution.ts'
export { BidirectionalMamba, Mamba, type MambaOptions } from './mamba.ts'
export { MixerLayer, type MixerLayerParts, type SlotMixer } from './mixer-layer.ts'
export {
  type Activation,
  gatedMlp,
  gelu,
  type Mlp,
  type MlpFactory,
  type MlpOptions,
  type MlpSettings,
  plainMlp,
  swiglu,
} from './mlp.ts'
export {
  disposeModule,
  freeze,
  initialize,
  type Module,
  namedVariables,
  nameVariables,
  type Place,
  parameterCount,
  parameters,
  placesIn,
  unfreeze,
} from './module.ts'
export { layerNorm, type Norm, type NormFactory, type RmsNormOptions, rmsNorm } from './norm.ts'
export { PatchEmbedding, type PatchEmbeddingOptions } from './patch-embedding.ts'
export { type PictureCoderOptions, PictureDecoder, PictureEncoder } from './picture-coders.ts'
export { placedValues } from './placement.ts'
export { type EmbeddedSlots, type PlanNetwork, planPositions, planReadout, type Traced } from './plan-network.ts'
export { learned, type Positions, type PositionsFactory, type RotaryOptions, rotary, rotaryAxes, unplaced } from './positions.ts'
export {
  gptq,
  matricesIn,
  nearest,
  type QuantizedReport,
  type QuantizeOptions,
  quantizeModule,
  type RoundingMethod,
} from './quantize-module.ts'
export { type BlockFormat, QuantizedMatrix, type QuantizedValues, type Weight, WeightHolder } from './quantized-matrix.ts'
export { correlateSpectra, fourierLength, multiplySpectra, RealFourier, type Spectrum } from './real-fourier.ts'
export { repackBlocks, twinFormat } from './repack.ts'
export { ResidualBlock2d } from './residual-block-2d.ts'
export { ResizablePositions } from './resizable-positions.ts'
export { depthToSpace, type HostMatrix, mapGrid, type ResizeKind, resize2d, resizeMatrix, upsample2d } from './resize.ts'
export {
  type DynamicOptions,
  dynamicScaling,
  type Llama3Options,
  type LongRopeOptions,
  linearScaling,
  llama3Scaling,
  longRope,
  type RotaryFrequencies,
  type RotaryScaling,
  type ScaledFrequencies,
  unscaled,
  type YarnOptions,
  yarn,
} from './rotary-scaling.ts'
export { type Clip, type RoundOptions, roundWeights, widenWeights } from './round-weights.ts'
export { Rwkv7, type Rwkv7Options, type Rwkv7State } from './rwkv7.ts'
export { type SelectiveScanOperands, selectiveScan } from './selective-scan.ts'
export { type DecomposedSeries, decomposeSeries, movingAverage } from './series-decomposition.ts'
export { type ConditionedSlots, SlotTransformer, type SlotTransformerOptions } from './slot-transformer.ts'
export { inverseSoftplus, softplus } from './softplus.ts'
export { type SparseMixingOptions, sparseMixing } from './sparse-attention.ts'
export { TimeEmbedding, type TimeEmbeddingOptions } from './time-embedding.ts'
export { type BackboneOutput, Transformer, type TransformerOptions } from './transformer.ts'
export { constantColumns, type TracedColumns, traceVisibility } from './visibility.ts'
export { checkFit, loadWeights, readVariables, type VariableMap, writeVariables } from './weights.ts'
