export { DealPage } from './DealPage'
