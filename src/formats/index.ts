export { type ByteSource, memorySource } from '../base/byte-source.ts'
export type { BlockType, StorageType, StoredTensor, StoredTensors } from '../base/stored-tensor.ts'
export { type BlockSize, blockSizes } from './block-types.ts'
export { type Gguf, type GgufLimits, readGguf } from './gguf.ts'
export type { GgufArray, GgufNumbers, GgufValue } from './gguf-values.ts'
export { type IdxArray, type IdxLimits, readIdx } from './idx.ts'
export { isJsonObject, type JsonLimits, type JsonOptions, parseJson } from './json.ts'
export {
  type DecodeOnnxOptions,
  decodeOnnx,
  type EncodedOnnx,
  type EncodeOnnxOptions,
  encodeOnnx,
  type OnnxAttribute,
  type OnnxExternalData,
  type OnnxExternalInitializer,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxInlineInitializer,
  type OnnxLimits,
  type OnnxModel,
  type OnnxNode,
  type OnnxOpset,
  type OnnxValue,
  onnxTypeCodes,
} from './onnx.ts'
export { type OpenedSafetensors, openSafetensors } from './open-safetensors.ts'
export { type DecodePictureOptions, decodePicture, type PictureLimits } from './picture-file.ts'
export { type PictureGridOptions, pictureGrid } from './picture-grid.ts'
export { type PictureTextOptions, pictureText, type TerminalColours } from './picture-text.ts'
export { encodePng } from './png.ts'
export { type RwkvCppFile, type RwkvCppLimits, readRwkvCpp } from './rwkv-cpp.ts'
export { readSafetensor, readSafetensors, type Safetensors, safetensorsPieces, writeSafetensors } from './safetensors.ts'
export {
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsHeaderOptions,
  type SafetensorsLimits,
  safetensorsHeadBytes,
} from './safetensors-header.ts'
export { openShards, readSafetensorsIndex, type SafetensorsIndex } from './safetensors-index.ts'
export { readStoredTensor } from './stored-values.ts'
