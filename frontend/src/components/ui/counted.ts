/** A count with its word: `1 deal`, `2 deals`. */
export const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`
