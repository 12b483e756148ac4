export {
  type CategoricalHead,
  type CategoricalHeadOptions,
  categoricalHead,
  categoricalLogProb,
  type TiedHeadOptions,
  tiedHead,
} from './categorical.ts'
export { type MultiCategoricalHead, multiCategoricalHead } from './multi-categorical.ts'
