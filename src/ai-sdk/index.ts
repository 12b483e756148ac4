export { createNextx, type NextxOptions, type NextxProvider } from './create-nextx.ts'
export type { NextxImageOptions, NextxLanguageOptions } from './provider-options.ts'
