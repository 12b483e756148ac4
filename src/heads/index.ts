export {
  type CategoricalHead,
  type CategoricalHeadOptions,
  categoricalHead,
  categoricalLogProb,
  type TiedHeadOptions,
  tiedHead,
} from './categorical.ts'
