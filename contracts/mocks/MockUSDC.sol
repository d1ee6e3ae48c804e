// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SignatureLib} from "../libraries/SignatureLib.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title MockUSDC
/// @notice USDC for local chains: ERC-20 with 6 decimals, EIP-2612, ERC-3009 in both signature forms, blacklist, pause,
/// and a faucet for everybody. Never to be deployed where money is real.
contract MockUSDC is
    ERC20, // 4 inherited components
    EIP712 // 1 inherited component
{
    /// @notice Most base units one call of the faucet gives.
    uint256 public constant FAUCET_CAP = 10_000e6;

    bytes32 public constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 public constant TRANSFER_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
        "uint256 validBefore,bytes32 nonce)"
    );
    bytes32 public constant RECEIVE_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
        "uint256 validBefore,bytes32 nonce)"
    );
    bytes32 public constant CANCEL_AUTHORIZATION_TYPEHASH =
        keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");

    /// @notice May mint, blacklist and pause.
    address public immutable owner;

    /// @notice True while nothing moves.
    bool public paused;

    /// @notice True for accounts that can neither send nor receive.
    mapping(address account => bool blacklisted) public isBlacklisted;

    /// @notice EIP-2612 nonces.
    mapping(address account => uint256 nonce) public nonces;

    /// @notice True once an ERC-3009 nonce is used or cancelled.
    mapping(address authorizer => mapping(bytes32 nonce => bool used)) public authorizationState;

    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);
    event Blacklisted(address indexed account);
    event UnBlacklisted(address indexed account);
    event Pause();
    event Unpause();

    error CallerNotOwner(address caller);
    error CallerNotPayee(address caller);
    error EnforcedPause();
    error AccountBlacklisted(address account);
    error AuthorizationNotYetValid(uint256 validAfter);
    error AuthorizationExpired(uint256 validBefore);
    error AuthorizationUsedOrCanceled(address authorizer, bytes32 nonce);
    error InvalidSignature(address expected);
    error PermitExpired(uint256 deadline);
    error FaucetCapExceeded(uint256 amount, uint256 cap);

    modifier onlyOwner() {
        if (msg.sender != owner) revert CallerNotOwner(msg.sender);
        _;
    }

    /// @param owner_ May mint, blacklist and pause
    constructor(address owner_) ERC20("USD Coin", "USDC") EIP712("USD Coin", "2") {
        owner = owner_;
    }

    /*////////////////////////////////////////////////////////////////////////
                                   TEST MONEY
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Gives `amount` base units to `to`, at most {FAUCET_CAP} a call. Anyone may call.
    function faucet(address to, uint256 amount) external {
        if (amount > FAUCET_CAP) revert FaucetCapExceeded(amount, FAUCET_CAP);
        _mint(to, amount);
    }

    /// @notice Gives any amount of base units to `to`. Only the owner.
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    /*////////////////////////////////////////////////////////////////////////
                                 ADMINISTRATION
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Stops an account from sending and receiving. Only the owner.
    function blacklist(address account) external onlyOwner {
        isBlacklisted[account] = true;
        emit Blacklisted(account);
    }

    /// @notice Lets an account send and receive again. Only the owner.
    function unBlacklist(address account) external onlyOwner {
        isBlacklisted[account] = false;
        emit UnBlacklisted(account);
    }

    /// @notice Stops all movements. Only the owner.
    function pause() external onlyOwner {
        paused = true;
        emit Pause();
    }

    /// @notice Allows movements again. Only the owner.
    function unpause() external onlyOwner {
        paused = false;
        emit Unpause();
    }

    /*////////////////////////////////////////////////////////////////////////
                                    EIP-2612
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Allows `spender` to spend `value` base units by the owner's signature.
    function permit(address owner_, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
    {
        bytes32 digest = _permitDigest(owner_, spender, value, deadline);
        _requireSigner(owner_, SignatureLib.recover(digest, v, r, s) == owner_);
        _approve(owner_, spender, value);
    }

    /// @notice As the other form, with the signature as bytes.
    function permit(address owner_, address spender, uint256 value, uint256 deadline, bytes calldata signature)
        external
    {
        bytes32 digest = _permitDigest(owner_, spender, value, deadline);
        _requireSigner(owner_, SignatureLib.isValid(owner_, digest, signature));
        _approve(owner_, spender, value);
    }

    /*////////////////////////////////////////////////////////////////////////
                                    ERC-3009
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Moves `value` base units by the signature of `from`. Anyone may send it.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        bytes32 digest = _transferDigest(
            TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce
        );
        _requireSigner(from, SignatureLib.recover(digest, v, r, s) == from);
        _transferOnce(from, to, value, nonce);
    }

    /// @notice As the other form, with the signature as bytes.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        bytes32 digest = _transferDigest(
            TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce
        );
        _requireSigner(from, SignatureLib.isValid(from, digest, signature));
        _transferOnce(from, to, value, nonce);
    }

    /// @notice Moves `value` base units to the caller by the signature of `from`.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        if (msg.sender != to) revert CallerNotPayee(msg.sender);
        bytes32 digest =
            _transferDigest(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce);
        _requireSigner(from, SignatureLib.recover(digest, v, r, s) == from);
        _transferOnce(from, to, value, nonce);
    }

    /// @notice As the other form, with the signature as bytes.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        if (msg.sender != to) revert CallerNotPayee(msg.sender);
        bytes32 digest =
            _transferDigest(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce);
        _requireSigner(from, SignatureLib.isValid(from, digest, signature));
        _transferOnce(from, to, value, nonce);
    }

    /// @notice Makes an unused nonce useless by the authorizer's signature.
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external {
        bytes32 digest = _cancelDigest(authorizer, nonce);
        _requireSigner(authorizer, SignatureLib.recover(digest, v, r, s) == authorizer);
        _useNonce(authorizer, nonce);
        emit AuthorizationCanceled(authorizer, nonce);
    }

    /// @notice As the other form, with the signature as bytes.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        bytes32 digest = _cancelDigest(authorizer, nonce);
        _requireSigner(authorizer, SignatureLib.isValid(authorizer, digest, signature));
        _useNonce(authorizer, nonce);
        emit AuthorizationCanceled(authorizer, nonce);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Version of the EIP-712 domain.
    function version() external pure returns (string memory) {
        return "2";
    }

    /// @notice EIP-712 domain separator in force.
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Every movement passes here.
    function _update(address from, address to, uint256 value) internal override {
        if (paused) revert EnforcedPause();
        if (isBlacklisted[from]) revert AccountBlacklisted(from);
        if (isBlacklisted[to]) revert AccountBlacklisted(to);
        super._update(from, to, value);
    }

    function _transferOnce(address from, address to, uint256 value, bytes32 nonce) private {
        _useNonce(from, nonce);
        emit AuthorizationUsed(from, nonce);
        _transfer(from, to, value);
    }

    function _useNonce(address authorizer, bytes32 nonce) private {
        if (authorizationState[authorizer][nonce]) revert AuthorizationUsedOrCanceled(authorizer, nonce);
        authorizationState[authorizer][nonce] = true;
    }

    function _permitDigest(address owner_, address spender, uint256 value, uint256 deadline) private returns (bytes32) {
        if (block.timestamp > deadline) revert PermitExpired(deadline);
        uint256 nonce = nonces[owner_]++;
        return _hashTypedDataV4(keccak256(abi.encode(PERMIT_TYPEHASH, owner_, spender, value, nonce, deadline)));
    }

    function _transferDigest(
        bytes32 typehash,
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) private view returns (bytes32) {
        if (block.timestamp <= validAfter) revert AuthorizationNotYetValid(validAfter);
        if (block.timestamp >= validBefore) revert AuthorizationExpired(validBefore);
        return _hashTypedDataV4(keccak256(abi.encode(typehash, from, to, value, validAfter, validBefore, nonce)));
    }

    function _cancelDigest(address authorizer, bytes32 nonce) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)));
    }

    function _requireSigner(address expected, bool signed) private pure {
        if (expected == address(0) || !signed) revert InvalidSignature(expected);
    }
}
