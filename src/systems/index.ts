export { loadSystem, systemForConfig, systemIds } from './registry.ts'
export type { LanguageModel, TextSystem } from './system.ts'
export { type CreateModelOptions, createModel, loadModel, saveModel, type TextModel } from './text-model.ts'
export { type ScoreTextOptions, scoreText, type TextScore } from './text-score.ts'
