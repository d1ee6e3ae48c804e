export { DealPage } from './DealPage'
export { FileRow } from './ResultFiles'
export { Statement } from './Statement'
