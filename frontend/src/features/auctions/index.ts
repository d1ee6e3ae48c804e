export { AuctionPage } from './AuctionPage'
export { AuctionsPage } from './AuctionsPage'
