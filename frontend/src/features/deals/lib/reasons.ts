/** Reasons of a rejection, as numbers in the signed verdict. */
export const REJECT_REASONS = [
  { code: 1, text: 'Does not match the description' },
  { code: 2, text: 'Incomplete' },
  { code: 3, text: 'Wrong or unusable format' },
  { code: 4, text: 'Contains errors' },
  { code: 255, text: 'Something else' },
] as const satisfies readonly { code: number; text: string }[]
