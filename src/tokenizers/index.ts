export type { TextStream, TextTokenizer, TokenizerFile } from '../base/model.ts'
export { type BpeOptions, bpeTokenizer } from './bpe.ts'
export { bytesTokenizer } from './bytes.ts'
export { type CharactersOptions, charactersTokenizer, trainCharacters } from './characters.ts'
export { type ChatTokenizer, encodeChat } from './chat-prompt.ts'
export {
  type ChatMessage,
  type ChatTemplate,
  type ChatTemplateOptions,
  chatTemplate,
  chatTemplateSource,
  type RenderOptions,
} from './chat-template.ts'
export { type GgufMetadata, tokenizerFromGguf } from './gguf.ts'
export {
  type BaeOptions,
  bae,
  buildImageTokenizer,
  type FsqOptions,
  fsq,
  type ImageNetworkOptions,
  type MultiScaleOptions,
  multiScale,
  type PatchesOptions,
  type PyramidOptions,
  patches,
  pyramid,
  type VaeOptions,
  type VqOptions,
  vae,
  vq,
} from './image/build.ts'
export type { CodebookOptions } from './image/codebook.ts'
export type {
  ImageTokenizer,
  ImageTokenizerFile,
  NoiseSpec,
  TokenizerLoss,
} from './image/image-tokenizer.ts'
export type { CarryKind } from './image/scale-carry.ts'
export { loadTaef2, type Taef2Files, type Taef2Options, taef2 } from './image/taef2.ts'
export { type LoadTokenizerOptions, loadTokenizer } from './load.ts'
export { type Piece, type SentencePieceOptions, sentencePieceTokenizer } from './sentencepiece.ts'
export type { NamedTokenizer, SpecialTokenOptions } from './special-tokens.ts'
export type { SplitPattern } from './split-words.ts'
export { readTok512 } from './tok512.ts'
export { type HuggingFaceOptions, tokenizerFromHuggingFace } from './tokenizer-json.ts'
export { type TrainBpeOptions, trainBpe } from './train-bpe.ts'
